"""Messages about publications, subscriptions and keys."""

from __future__ import annotations

from typing import Annotated

from tcproto.fields import Items, Range, Text
from tcproto.messages.login import Ok
from tcproto.messages.registry import Sender, State, message
from tcproto.messages.types import (
    U8,
    U16,
    U32,
    AddressedBox,
    Caps,
    Key,
    KeyReceipt,
    Kind,
    LayerInterest,
    PublicationNumber,
    RoomKey,
    Source,
    StreamChoice,
    Word,
)


@message("published", Sender.SERVER, reply=True)
class Published:
    """The stream id of a publication, and what is accepted of it. No packet is accepted before."""

    number: PublicationNumber
    stream: U16
    caps: Caps


@message("publish", Sender.CLIENT, states=State.ROOM, answer=Published)
class Publish:
    """Announces a publication under the publisher's own next number."""

    number: PublicationNumber
    kind: Kind
    source: Source
    codec: Word
    muted: bool = False
    layers: Annotated[int, Range(1, 4)] = 1
    width: U16 = 0
    height: U16 = 0


@message("unpublish", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Unpublish:
    """Ends a publication; its number is spent."""

    number: PublicationNumber


@message("mute", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Mute:
    """Sets the mute flag of a live publication; the server drops packets of a muted one."""

    number: PublicationNumber
    muted: bool


@message("subscribe", Sender.CLIENT, states=State.ROOM, answer=Ok)
class Subscribe:
    """The desired state of all subscriptions, whole each time; an older generation is ignored."""

    generation: U32
    defaults: Annotated[tuple[Source, ...], Items(8)]
    """Sources wanted of everybody, newcomers included."""
    choices: Annotated[tuple[StreamChoice, ...], Items(1024)] = ()


@message("keyframe_request", Sender.BOTH, states=State.ROOM)
class KeyframeRequest:
    """A receiver needs a keyframe; the server joins requests and passes them to the publisher."""

    stream: U16
    spatial: Annotated[int, Range(0, 3)] = 0


@message("interest", Sender.SERVER, states=State.ROOM)
class Interest:
    """Tells a publisher which layers anybody wants. Reserved."""

    layers: Annotated[tuple[LayerInterest, ...], Items(64)]


@message("speakers", Sender.SERVER, states=State.ROOM)
class Speakers:
    """Participants who began and who stopped speaking, and who is dominant now, perhaps silent (0: nobody)."""

    started: Annotated[tuple[U32, ...], Items(1024)] = ()
    stopped: Annotated[tuple[U32, ...], Items(1024)] = ()
    dominant: U32 = 0


@message("key_boxes", Sender.BOTH, states=State.ROOM)
class KeyBoxes:
    """Sender keys, boxed for each member; passed on without a look inside."""

    boxes: Annotated[tuple[AddressedBox, ...], Items(64)]


@message("key_receipts", Sender.BOTH, states=State.ROOM)
class KeyReceipts:
    """Sender keys that arrived and opened."""

    receipts: Annotated[tuple[KeyReceipt, ...], Items(64)]


@message("session_keys", Sender.SERVER, states=State.ROOM)
class SessionKeys:
    """New keys of the media path under a raised epoch; the old ones are used until the client uses these."""

    media_id: U32
    epoch: U8
    up_key: Key
    down_key: Key


@message("room_key", Sender.SERVER, states=State.ROOM)
class NewRoomKey:
    """A key that a sealer will use soon; the one before it stays valid for 10 s after its first use."""

    room_key: RoomKey


@message("sealer_closed", Sender.SERVER, states=State.ROOM)
class SealerClosed:
    """The sealer is gone: forget its keys."""

    sealer: U32


@message("media_move", Sender.SERVER, states=State.ROOM)
class MediaMove:
    """The media path moves: a new media id with new keys, perhaps at another address, and is proved again."""

    media_id: U32
    epoch: U8
    up_key: Key
    down_key: Key
    host: Annotated[str, Text(max_chars=45, max_bytes=45)] = ""
    """Numeric address, as long as IPv6 needs; empty: as now."""
    port: U16 = 0
    """0: as now."""
