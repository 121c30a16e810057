"""Messages about publications, subscriptions and keys."""

from __future__ import annotations

from typing import Annotated

from tcproto.fields import Items, Range, Text
from tcproto.messages.login import Ok
from tcproto.messages.registry import Sender, State, message
from tcproto.messages.types import (
    MAX_CHOICES,
    MAX_KEY_BOXES,
    MAX_STREAM_STATES,
    MAX_VOICES,
    U8,
    U16,
    U32,
    AddressedBox,
    Caps,
    Key,
    KeyReceipt,
    Kind,
    LayerInterest,
    MemberQuality,
    PublicationNumber,
    Quality,
    RoomKey,
    Source,
    StreamChoice,
    StreamState,
    Word,
)


@message("published", Sender.SERVER, reply=True)
class Published:
    """The stream id of a publication, and its caps. No packet is accepted before this."""

    number: PublicationNumber
    stream: U16
    caps: Caps


@message("publish", Sender.CLIENT, states=State.ROOM, answer=Published)
class Publish:
    """Announces a publication under the next number of its publisher."""

    number: PublicationNumber
    kind: Kind
    source: Source
    codec: Word
    muted: bool = False
    layers: Annotated[int, Range(1, 4)] = 1
    width: U16 = 0
    height: U16 = 0
    stills: bool = False
    """Whether the lowest of several layers is one of still pictures: a keyframe each few seconds."""


@message("unpublish", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Unpublish:
    """Ends a publication. Its number is not used again."""

    number: PublicationNumber


@message("mute", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Mute:
    """Sets the mute flag of a live publication. The server drops the packets of a muted one."""

    number: PublicationNumber
    muted: bool


@message("mute_other", Sender.CLIENT, states=State.ROOM, answer=Ok)
class MuteOther:
    """Asks a participant to mute or unmute a source, or holds the source muted (``hard``)."""

    participant: U32
    """0: everybody of a lower rank."""
    source: Source
    muted: bool
    hard: bool = False
    """With ``muted``, the server drops the packets, and the participant cannot unmute. Without, this ends."""


@message("mute_asked", Sender.SERVER, states=State.ROOM)
class MuteAsked:
    """A participant asks this one to mute or unmute a source. Nothing happens unless the client does it."""

    participant: U32
    """The one who asks."""
    source: Source
    muted: bool


@message("subscribe", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Subscribe:
    """The wanted state of all subscriptions, whole each time. An older generation is ignored."""

    generation: U32
    defaults: Annotated[tuple[Source, ...], Items(8)]
    """Sources that are wanted of everybody, newcomers included."""
    choices: Annotated[tuple[StreamChoice, ...], Items(MAX_CHOICES)] = ()
    redundant_sources: Annotated[tuple[Source, ...], Items(8)] = ()
    """Sources whose streams are wanted in the redundant variant, beside those of the choices."""
    voices: Annotated[int, Range(0, MAX_VOICES)] = 0
    """Streams of sound that are wanted at a time, at most, the most important; 0: all."""


@message("keyframe_request", Sender.BOTH, states=State.ROOM)
class KeyframeRequest:
    """A receiver needs a keyframe. The server joins the requests of many, and passes them to the publisher."""

    stream: U16
    spatial: Annotated[int, Range(0, 3)] = 0


@message("interest", Sender.SERVER, states=State.ROOM)
class Interest:
    """Tells a publisher of pictures which layers of its streams somebody wants: all spatial layers of each stream.

    Of a microphone_low it tells whether anybody wants it, as of one layer.
    """

    layers: Annotated[tuple[LayerInterest, ...], Items(64)]


@message("speakers", Sender.SERVER, states=State.ROOM)
class Speakers:
    """Participants that began to speak, that stopped, and the dominant one, which may be silent (0: nobody)."""

    started: Annotated[tuple[U32, ...], Items(1024)] = ()
    stopped: Annotated[tuple[U32, ...], Items(1024)] = ()
    dominant: U32 = 0


@message("own_quality", Sender.CLIENT, states=State.ROOM)
class OwnQuality:
    """How good this participant finds its own connection, when that has changed. The server tells the others."""

    quality: Quality


@message("quality", Sender.SERVER, states=State.ROOM)
class MemberQualities:
    """The connections of participants that have become better or worse. A participant not named yet is unknown."""

    members: Annotated[tuple[MemberQuality, ...], Items(1024)]


@message("stream_state", Sender.SERVER, states=State.ROOM)
class StreamStates:
    """The streams that the server forwards otherwise than before. A stream not named yet has no limit."""

    streams: Annotated[tuple[StreamState, ...], Items(MAX_STREAM_STATES)]


@message("key_boxes", Sender.BOTH, states=State.ROOM)
class KeyBoxes:
    """Sender keys, boxed for each member. The server passes them on without opening them."""

    boxes: Annotated[tuple[AddressedBox, ...], Items(MAX_KEY_BOXES)]


@message("key_receipts", Sender.BOTH, states=State.ROOM)
class KeyReceipts:
    """Confirms sender keys that arrived and opened."""

    receipts: Annotated[tuple[KeyReceipt, ...], Items(MAX_KEY_BOXES)]


@message("session_keys", Sender.SERVER, states=State.ROOM)
class SessionKeys:
    """New keys of the media path under a raised epoch. The server uses the old ones until the client uses these."""

    media_id: U32
    epoch: U8
    up_key: Key
    down_key: Key


@message("room_key", Sender.SERVER, states=State.ROOM)
class NewRoomKey:
    """A key that a sealer will use soon. The key before it stays valid for 10 s after the first use of this one."""

    room_key: RoomKey


@message("sealer_closed", Sender.SERVER, states=State.ROOM)
class SealerClosed:
    """The sealer has ended. Its keys are to be forgotten."""

    sealer: U32


@message("media_move", Sender.SERVER, states=State.ROOM)
class MediaMove:
    """Moves the media path to a new media id with new keys. It has to be proved again. Another address is reserved."""

    media_id: U32
    epoch: U8
    up_key: Key
    down_key: Key
    host: Annotated[str, Text(max_chars=45, max_bytes=45)] = ""
    """Numeric address of IPv4 or IPv6; empty: the address stays."""
    port: U16 = 0
    """0: the port stays."""
