"""The requests that a program can make to the server; ``Room`` offers them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, get_args

from tcclient.audio.gate import GateMode
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.events import (
    ChatFailed,
    ChatSent,
    Closed,
    Event,
    PublicationReady,
    PublishFailed,
    RequestDone,
    RequestFailed,
)
from tcclient.errors import ClientError, NoReply, RequestRefused, WrongValue, closed_error
from tcclient.participant import Participant, known_source
from tcclient.sources import AnySource, codec_of, demand_of, has_low_rate
from tcclient.transport.connection import Connection
from tcclient.transport.replies import Span
from tcproto.errors import Refusal
from tcproto.messages import (
    ChatScope,
    CloseRoom,
    Kick,
    LockRoom,
    LowerHand,
    MuteOther,
    RaiseHand,
    Role,
    SetAudioOnly,
    SetRole,
    Source,
    StreamChoice,
    UpdateRoom,
)
from tcproto.messages.types import MAX_VOICES

if TYPE_CHECKING:
    from tcclient.publication import Publication
    from tcclient.track import Track

REPLY_LIMIT = 15.0
"""Seconds that a request waits for its reply: by then a connection that is dead has been given up."""
MAX_PRIORITY = 255
"""Of the pictures that are given up last."""
Result = TypeVar("Result")
Request = Kick | SetRole | MuteOther | RaiseHand | LowerHand | LockRoom | SetAudioOnly | UpdateRoom | CloseRoom
MIN_PASSWORD_CHARACTERS = 8
"""Shorter passwords are refused (NIST SP 800-63B, 5.1.1.2)."""


class RoomVerbs:
    """The requests. Each returns when the server has carried it out, or raises one of these errors.

    ``RequestRefused``: the server refused it. ``RoomClosed``: the seat is gone, or ended while the request waited.
    ``NoReply``: no reply came within ``REPLY_LIMIT``, or before the seat was lost and taken anew. ``WrongValue``: an
    argument is not one that can be sent. While the connection is lost, a request waits for the next one.
    """

    def __init__(self, connection: Connection, publication_failed: Callable[[Publication, Exception], None]) -> None:
        self.publications: dict[int, Publication] = {}
        """What we publish, by number."""
        self._connection = connection
        self._failed = publication_failed
        self._closed: Closed | None = None
        self._subscribed: Wishes | None = None
        """What was asked for last; None: what is by default."""
        self._hand_was_up = False
        """Whether our hand was up when a seat was lost."""

    @property
    def closed(self) -> Closed | None:
        """Why the seat is gone, or None."""
        return self._closed

    async def publish(self, source: AnySource, *, gate: GateMode = GateMode.OPEN, muted: bool = False) -> Publication:
        """Publish a source; ``muted`` from the first frame on, if wanted.

        ``gate`` is that of a microphone; the sound of a screen is always sent.

        Raises ``SourceError`` for a source that cannot be sent, and as all verbs do. If a source fails later, the event
        ``PublicationFailed`` reports it.

        Returns when the first frame is about to be sent: the stream is granted, and all participants have the keys.
        Frames are sent whatever the state of the path: see ``Room.path``. If the seat is lost first, the source is
        published in the next one, within ``REPLY_LIMIT``.
        """
        [publication] = await self.publish_together(source, gate=gate, muted=muted)
        return publication

    async def publish_together(
        self, *sources: AnySource, gate: GateMode = GateMode.OPEN, muted: bool = False
    ) -> list[Publication]:
        """Publish sources that begin together, in step; all of them or none. Otherwise as ``publish``."""
        from tcclient.capture.intake import check_source
        from tcclient.publication import Publication, begin_together

        for source in sources:
            check_source(source)
        publications = [
            Publication(
                source,
                self._connection,
                gate if source.source is Source.MICROPHONE else GateMode.OPEN,
                self._forget,
                self._failed,
            )
            for source in sources
        ]
        await begin_together(publications, self._announce_all, muted=muted)
        return publications

    async def subscribe(
        self,
        sources: Sequence[Source],
        choices: Sequence[StreamChoice] = (),
        *,
        max_height: int = 0,
        voices: int = 0,
        stage: Sequence[Participant] = (),
        max_frame_rate: float = 0.0,
        priorities: Mapping[Track, int] = MappingProxyType({}),
    ) -> None:
        """Set what is wanted, whole each time: sources of everybody, and choices for single streams.

        ``voices``: at most so many at a time, the loudest (0: all). Where the line is too thin, pictures are given up
        first, those of ``stage`` last (default: of the dominant speaker), and then voices, but for one.

        Of pictures that are sent in several sizes the largest comes that has at most ``max_height`` lines (0: any), and
        that the choice allows by ``max_spatial``; at least the smallest. Of temporal layers so many come that
        there are at most ``max_frame_rate`` pictures per second (0: any), and as ``max_temporal`` of the choice allows.

        ``priorities`` of tracks of pictures, 1 to 255, go before that order: the lower ones are given up first. A track
        without one has 128.
        """
        if not 0 <= voices <= MAX_VOICES:
            raise WrongValue(f"voices: {voices} is not from 0 to {MAX_VOICES}")
        if not 0 <= max_frame_rate < math.inf:
            raise WrongValue(f"max_frame_rate: {max_frame_rate} is not a number of pictures per second")
        if wrong := [priority for priority in priorities.values() if not 1 <= priority <= MAX_PRIORITY]:
            raise WrongValue(f"priorities: {wrong[0]} is not from 1 to {MAX_PRIORITY}")
        on_stage = frozenset(participant.id for participant in stage)
        audio_only = self._subscribed is not None and self._subscribed.audio_only
        self._subscribed = wishes = Wishes(
            tuple(sources),
            tuple(choices),
            voices,
            on_stage,
            max_height,
            max_frame_rate,
            {track.stream: priority for track, priority in priorities.items()},
            audio_only,
        )
        await self._ask(lambda: self._connection.session.seat.downlink.wish(wishes))

    async def audio_only(self, on: bool = True) -> None:
        """Get no pictures from now on, whatever is subscribed, or get them again. Others still get ours."""

        def wish() -> int:
            seat = self._connection.session.seat
            self._subscribed = (self._subscribed or seat.downlink.subscription.wishes)._replace(audio_only=on)
            return seat.downlink.wish(self._subscribed)

        await self._ask(wish)

    async def chat(self, text: str, to: Participant | None = None) -> None:
        """Send a text to the room, or to one participant; in an end-to-end encrypted room it is sealed for them.

        Also raises ``RequestRefused`` for a private text to a participant who is not verified, if the text must be
        sealed, and ``WrongValue`` for a text that is too long.
        """
        await self._send(text, ChatScope.ROOM if to is None else ChatScope.PARTICIPANT, 0 if to is None else to.id)

    async def notice(self, text: str) -> None:
        """Send a text to everybody on the server, in all rooms, as its operator; it is never encrypted."""
        await self._send(text, ChatScope.SERVER, 0)

    async def kick(self, participant: Participant, reason: str = "") -> None:
        """Take somebody's seat away; as ``Participant.kick``."""
        await participant.kick(reason)

    async def set_role(self, participant: Participant, role: Role | str) -> None:
        """Give somebody another role; as ``Participant.set_role``."""
        await participant.set_role(role)

    async def raise_hand(self) -> None:
        """Raise our hand. A hand that is up keeps its place."""
        await self.request(RaiseHand())

    async def lower_hand(self) -> None:
        """Lower our hand."""
        await self.request(LowerHand())

    async def lower_all_hands(self) -> None:
        """Lower the hands of all. For a chair."""
        await self.request(LowerHand(everybody=True))

    async def mute_all(self, source: Source | str = Source.MICROPHONE, *, hold: bool = False) -> None:
        """Ask all of a lower rank to mute a source, or hold it muted; as ``Participant.mute``. For a chair."""
        await self.request(MuteOther(0, known_source(source), True, hold))

    async def release_all(self, source: Source | str = Source.MICROPHONE) -> None:
        """End the holds of a source of all of a lower rank; as ``Participant.release``. For a chair."""
        await self.request(MuteOther(0, known_source(source), False, hard=True))

    async def change_password(self, present: str, new: str) -> None:
        """Give our account another password. It takes a second. All other sessions of the account end.

        Also raises ``WrongValue`` for a new password that is too short or too long, and ``RequestRefused`` with the
        code ``bad_credentials`` where ``present`` is wrong.
        """
        if len(new) < MIN_PASSWORD_CHARACTERS:
            raise WrongValue(f"a password has at least {MIN_PASSWORD_CHARACTERS} characters")
        connection = self._connection
        salt, present_key, new_key = self._do(lambda: connection.session.login.password_keys())
        try:
            keys = [
                await connection.derive_key(password, way.salt, way.memory_bytes, way.passes)
                for password, way in ((present, present_key), (new, new_key))
            ]
        except ValueError as error:
            raise WrongValue(str(error)) from None
        await self._ask(lambda: connection.session.login.change_password(keys[0], keys[1], salt))

    async def update(self, *, title: str | None = None, max_participants: int | None = None) -> None:
        """Change the title, or how many may be here; nobody has to leave. None: it stays as it is. For a chair."""
        await self.request(UpdateRoom(title, max_participants))

    async def lock(self, locked: bool = True) -> None:
        """Let nobody else enter, or let them enter again. Those who were here may come back. For a chair."""
        await self.request(LockRoom(locked))

    async def audio_only_all(self, on: bool = True) -> None:
        """Hold all pictures of the room, ours included, or let them be sent again: see ``Participant.mute``.

        Those who come later are held too (``room.info.audio_only``). For a chair.
        """
        await self.request(SetAudioOnly(on))

    async def end_meeting(self) -> None:
        """Send everybody out, ourselves included; a permanent room stays, and can be entered again. For a chair."""
        await self.request(CloseRoom())

    async def request(self, message: Request) -> None:
        """Send one of the requests of ``tcproto.messages`` for which there are verbs here."""
        if not isinstance(message, Request):
            names = ", ".join(kind.__name__ for kind in get_args(Request))
            raise WrongValue(f"{type(message).__name__} is none of {names}")
        await self._ask(lambda: self._connection.session.seat.request(message))

    def _leave_seat(self, hand_is_up: bool, *, is_same_room: bool) -> None:
        """Keep for the next seat what is asked for in this one."""
        self._hand_was_up = hand_is_up
        if self._subscribed is not None and not is_same_room:  # the streams are others
            self._subscribed = self._subscribed._replace(choices=(), stage=frozenset(), priorities={})

    def _ask_again(self) -> None:
        """Ask in the new seat for what was asked for in the one that was lost."""
        seat, before = self._connection.session.seat, list(self.publications.values())
        self.publications.clear()
        for publication in before:
            if not publication.ended:
                try:
                    self._announce(publication, muted=publication.muted or publication.held)
                except ClientError as error:
                    self._failed(publication, error)
        if self._subscribed is not None:
            seat.downlink.wish(self._subscribed)
        if self._hand_was_up:
            seat.request(RaiseHand())
        self._connection.pump()

    async def _announce_all(self, publications: Sequence[Publication]) -> None:
        await self._replied(*(self._announce(publication) for publication in publications))

    def _announce(self, publication: Publication, *, muted: bool = False) -> asyncio.Future[Event]:
        kind, source, codec, width, height, layers = codec_of(publication.source)
        number = self._do(
            lambda: self._connection.session.seat.publishing.publish(
                kind,
                source,
                codec,
                time.monotonic(),
                muted=muted,
                layers=layers,
                width=width,
                height=height,
                demand=demand_of(publication.source),
                low_rate=has_low_rate(publication.source),
            )
        )
        publication.announced(number, self._connection.session.seat)
        self.publications[number] = publication
        return self._connection.expect(
            lambda event: isinstance(event, PublicationReady | PublishFailed) and event.number == publication.number,
            Span.ROOM,
        )

    def _forget(self, publication: Publication) -> None:
        if self.publications.get(publication.number) is publication:
            del self.publications[publication.number]

    async def _send(self, text: str, scope: ChatScope, participant: int) -> None:
        unix_ms, now = round(time.time() * 1000), time.monotonic()
        await self._ask(lambda: self._connection.session.seat.send_chat(text, unix_ms, now, scope, participant))

    def _check_open(self) -> None:
        """Raise ``RoomClosed`` where the seat is gone."""
        if self._closed is not None:
            raise closed_error(self._closed)

    def _do(self, verb: Callable[[], Result]) -> Result:
        """Call a verb of the session, and raise its errors as those of the library. What it queues is not sent yet."""
        self._check_open()
        try:
            return verb()
        except Refusal as refusal:
            raise RequestRefused(refusal.text, refusal.code) from None
        except (ValueError, TypeError) as error:
            raise WrongValue(str(error)) from error

    async def _ask(self, verb: Callable[[], int | bytes]) -> None:
        """Make a request, and wait for its reply."""
        key = self._do(verb)
        await self._replied(self._connection.expect(lambda event: _answers(event, key)))

    async def _replied(self, *replies: asyncio.Future[Event]) -> None:
        """Send what was asked, and wait for all replies; raises as all verbs do."""
        self._connection.pump()
        try:
            async with asyncio.timeout(REPLY_LIMIT):
                await asyncio.gather(*replies)
        except TimeoutError:
            raise NoReply(f"the server has not answered within {REPLY_LIMIT:g} s") from None


def _answers(event: Event, key: int | bytes) -> bool:
    """Tell whether an event is the reply to the request of an id, or to the text of a message id."""
    match event:
        case RequestDone(asked) | RequestFailed(asked):
            return asked == key
        case ChatSent(message_id) | ChatFailed(message_id):
            return message_id == key
        case _:
            return False
