"""One life of a room: its seats and streams, and what participants are told about each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import (
    Change,
    ChangeKind,
    Evicted,
    Join,
    Kind,
    NewRoomKey,
    PublicationInfo,
    Resume,
    Role,
    RoomInfo,
    Source,
    Speakers,
)
from tcproto.messages.types import MAX_JOINED_KEYS
from tcproto.secretbox import KEY_SIZE
from tcserver import records
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST, PAGE_COST
from tcserver.conference.login.connection import Request
from tcserver.conference.permissions import SOURCE_KIND, SOURCE_PERMISSION
from tcserver.conference.room import stream_states
from tcserver.conference.room.change_log import ChangeLog, snapshot
from tcserver.conference.room.forwarding import Forwarding
from tcserver.conference.room.interest import Interest
from tcserver.conference.room.media_seats import MediaSeats
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.qualities import Qualities
from tcserver.conference.room.seat import Seat, Stream
from tcserver.conference.room.stream_ids import StreamIds
from tcserver.media.interface import CloseRoom, CloseStream, SealerState

M = TypeVar("M")


class Room:
    """A room from its opening until it closes. A room that is opened again has another life, with another id.

    ``policies`` make what the room decides by itself. ``record`` is the stored record of a permanent room, else None.
    ``expire`` is called when nobody came, or all have left.
    """

    def __init__(
        self,
        context: Context,
        number: int,
        home: int,
        info: RoomInfo,
        *,
        policies: Iterable[Callable[[Room], RoomPolicy]],
        record: records.RoomRecord,
        opener: str,
        expire: Callable[[Room, float], None],
        now: float,
    ) -> None:
        self.context = context
        self._expire = expire
        self.number = number
        """Number of this life in the media plane."""
        self.info = info
        self.opener = opener
        """Account that opened the room."""
        self.record = record
        self.opened_at = now
        self.was_used = False
        self.is_closed = False
        self.seats: dict[int, Seat] = {}
        """Open seats, by participant."""
        self.dominant = 0
        """Participant who is the dominant speaker, 0 for nobody. The participant may have left."""
        self.joining: dict[int, Seat] = {}
        """Seats that the media plane is about to open, by participant."""
        self.forwarding = Forwarding(context.outbox, number)
        self.change_log = ChangeLog(context.timers, number, self.seats.values())
        self.qualities = Qualities(context.timers, number, self.seats)
        self.stream_ids = StreamIds()
        self.media_seats = MediaSeats(context, number, home, self.tell)
        self.policies = [make(self) for make in policies]
        """Policies, in the order in which they are told."""
        self.media_seats.use_worker(home, now)
        self._expire_in(context.settings.rooms.unused_close_s, now)

    def tell(self, what: Callable[[RoomPolicy], None]) -> None:
        """Tell all policies something, one after the other; ``what`` calls one of their methods."""
        for policy in self.policies:
            what(policy)

    # Seats

    def reserve(self, request: Request[Join], now: float) -> Seat:
        """Reserve a seat and have the media plane open it.

        Raises ``Refusal`` (those of the policies and of ``StreamIds.take``).
        """
        self.tell(lambda policy: policy.check_join(request))
        beacon = self.stream_ids.take(now, for_beacon=True)
        context = self.context
        keys = context.random_bytes(KEY_SIZE), context.random_bytes(KEY_SIZE)
        worker = self.media_seats.choose_worker(chain(self.seats.values(), self.joining.values()), now)
        media_id = context.media_ids.take(now, worker)
        seat = Seat(context.participant_ids.take(now), media_id, self.number, request.session, request, *keys)
        seat.beacon = Stream(beacon, seat)
        context.seat_of[request.session.number] = seat
        request.session.evicted = None
        context.timers.cancel(("room", self.number))
        timeout = now + context.settings.seat_timeout
        context.timers.set(("seat", self.number, seat.participant), timeout, partial(self._give_up, seat))
        self.joining[seat.participant] = seat
        self.media_seats.open(seat)
        return seat

    def take_keys(self, seat: Seat, states: tuple[SealerState, ...], now: float) -> None:
        """Take the room keys that a media worker reported for a seat; let the participant in when all workers have."""
        if seat.take_keys(states):
            self._seat(seat, now)

    def _seat(self, seat: Seat, now: float) -> None:
        outbox = self.context.outbox
        del self.joining[seat.participant]
        self.context.timers.cancel(("seat", self.number, seat.participant))
        seat.seated_at = seat.rekeyed_at = now
        self.tell(lambda policy: policy.admitted(seat, now))
        room_keys = seat.room_keys()
        self.was_used = seat.is_open = True
        seat.join.reply(seat.joined(room_keys[:MAX_JOINED_KEYS]))
        self.change_log.add(Change(ChangeKind.MEMBER_JOINED, member=seat.member()), now)
        seat.entry = self.change_log.number
        self.seats[seat.participant] = seat
        self.send_snapshot(seat)
        for room_key in room_keys[MAX_JOINED_KEYS:]:
            seat.channel.send(NewRoomKey(room_key))
        outbox.command(seat.beacon.opening(self.context.settings))
        self.forwarding.update(seat, now)
        self.forwarding.add(seat.beacon, self.seats.values(), now)
        outbox.log("joined", **self.who(seat))
        self.tell(lambda policy: policy.entered(seat, now))

    def remove(self, seat: Seat, now: float, code: ErrorCode | None = None) -> None:
        """Take a seat away. ``code`` says why; None: the participant left."""
        context = self.context
        context.seat_of.pop(seat.session.number, None)
        self.seats.pop(seat.participant, None)
        self.joining.pop(seat.participant, None)
        context.participant_ids.free(seat.participant, now)
        context.timers.cancel(("seat", self.number, seat.participant))
        self.media_seats.close(seat, now)
        if seat.is_open:
            context.outbox.log("left", **self.who(seat), reason=code or seat.session.parting or "left")
        if self.is_closed:
            return
        if seat.is_open:
            self._take_leave(seat, now, code)
        else:
            self.stream_ids.free(seat.beacon.number, now)
        if not self.seats and not self.joining:
            self._expire_in(context.settings.rooms.empty_close_s, now)

    def _take_leave(self, seat: Seat, now: float, code: ErrorCode | None) -> None:
        for stream in seat.streams:
            self._forget(stream, now)
        self.forwarding.leave(seat.media_id, now)
        self.change_log.add(Change(ChangeKind.MEMBER_LEFT, participant=seat.participant, code=code), now)
        self.tell(lambda policy: policy.left(seat, now))

    def who(self, seat: Seat) -> dict[str, str | int]:
        """Return the fields of the log that name a participant: by account, not by display name."""
        session = seat.session
        return {
            "room": self.info.name,
            "participant": seat.participant,
            "session": session.number,
            "account": session.account.name,
        }

    def evict(self, seat: Seat, now: float, code: ErrorCode, text: str) -> None:
        """Take a seat away and tell its client. The session goes on."""
        if seat.is_open:
            seat.session.evicted = Evicted(code=code, text=text)
            seat.channel.send(seat.session.evicted)
        else:
            seat.join.refuse(Refusal(code, text))
        self.remove(seat, now, code)

    def close(self, now: float, text: str) -> None:
        """End this life of the room for everybody."""
        self.is_closed = True
        self.change_log.close(now)
        self.qualities.close()
        self.context.timers.cancel(("room", self.number))
        for stream in self.forwarding.streams.values():
            self._cancel_timers(stream)
        for seat in [*self.seats.values(), *self.joining.values()]:
            self.evict(seat, now, ErrorCode.ROOM_CLOSED, text)
        self.tell(lambda policy: policy.closed(now))
        self.context.outbox.command(CloseRoom(self.number))
        self.context.outbox.log("room_closed", room=self.info.name)

    def _give_up(self, seat: Seat, now: float) -> None:
        self.evict(seat, now, ErrorCode.INTERNAL, "the seat could not be opened")

    def _expire_in(self, delay: float, now: float) -> None:
        self.context.timers.set(("room", self.number), now + delay, partial(self._expire, self))

    def resume(self, seat: Seat, request: Request[Resume]) -> None:
        """Go on with a seat on the connection of a request: with new keys, and with the messages that were lost.

        A snapshot follows, as the last word.
        """
        self.media_seats.renew_keys(seat, request.now)
        request.reply(seat.resumed())
        request.cost(DELIVERY_COST * seat.channel.send_again(request.message.last_event))
        request.cost(PAGE_COST * self.send_snapshot(seat))

    def restart(self, worker: int, now: float) -> int:
        """Go on after a media worker was replaced: its seats and streams stay, with new ids and keys.

        Seats of other workers stay as they are. Return the number of open seats that have moved.
        """
        self.tell(lambda policy: policy.worker_replaced(worker, now))
        moved = {
            seat.media_id: seat for seat in (*self.seats.values(), *self.joining.values()) if seat.worker == worker
        }
        for seat in moved.values():
            self.media_seats.move(seat, now)
            self.qualities.silent(seat, False, now)  # its new worker tells only what changes
        self.tell(lambda policy: policy.restarted(now))
        self.forwarding.restart(moved, self.seats.values(), self.context.settings, now)
        for seat in [seat for seat in self.joining.values() if not seat.waits_for]:
            self._seat(seat, now)
        return sum(seat.is_open for seat in moved.values())

    # Roles

    def find(self, participant: int) -> Seat:
        """Return the seat of a participant. Raises ``Refusal`` (``no_such_participant``)."""
        seat = self.seats.get(participant)
        if seat is None:
            raise Refusal(ErrorCode.NO_SUCH_PARTICIPANT)
        return seat

    def give_role(self, seat: Seat, role: Role, rank: int, now: float) -> None:
        """Give a participant a role and a rank."""
        self.tell(lambda policy: policy.role_given(seat, role, rank, now))
        self.rights_changed(seat, now)

    def rights_changed(self, seat: Seat, now: float) -> None:
        """Tell everybody of the role and the permissions of a participant; end what they do not allow any more."""
        self.change_log.add(Change(ChangeKind.MEMBER_UPDATED, member=seat.member()), now)
        for number, stream in list(seat.publications.items()):
            assert stream.info is not None
            if number in seat.publications and not SOURCE_PERMISSION[stream.info.source] & seat.permissions:
                self.unpublish(seat, number, now)
        self.forwarding.update(seat, now)

    def speakers_changed(self, started: Sequence[int], stopped: Sequence[int], dominant: int, now: float) -> None:
        """Tell everybody which participants began and stopped speaking. ``dominant`` is 0 for nobody yet."""
        for participants, speaking in ((started, True), (stopped, False)):
            for participant in participants:
                if seat := self.seats.get(participant):
                    seat.is_speaking = speaking
        began = tuple(participant for participant in started if participant in self.seats)
        self.dominant = dominant if dominant in self.seats else 0
        others = [participant for participant in began if participant != self.dominant]
        heard = [*others, self.dominant] if self.dominant else others
        self.tell(lambda policy: policy.spoke(heard, now))
        speakers = Speakers(began, tuple(stopped), self.dominant)
        for seat in self.seats.values():
            seat.channel.send(speakers)

    # Publications

    def publish(self, seat: Seat, info: PublicationInfo, reply: Callable[[], None], now: float) -> None:
        """Open the stream of a publication, tell the room, and forward it.

        ``reply`` lets the publisher send: once the room has been told, so that nobody gets packets of an unknown
        stream, or when the publication ends before.
        """
        is_low = info.source is Source.MICROPHONE_LOW
        microphone = seat.lone_microphone if is_low else None
        stream = seat.publications[info.number] = Stream(info.stream, seat, info, microphone, reply=reply)
        if info.kind is Kind.VIDEO or is_low:
            key = ("interest", self.number, stream.number)
            stream.interest = Interest(stream.number, info.layers, self.context.timers, key, seat.channel.send)
        self.context.outbox.command(stream.opening(self.context.settings))
        seat.last_number = info.number
        self.change_log.add(Change(ChangeKind.PUBLISHED, publication=info), now)
        self.forwarding.add(stream, self.seats.values(), now)
        self.tell(lambda policy: policy.published(stream, now))
        self.change_log.after(self.change_log.number, stream.granted, now)

    def unpublish(self, seat: Seat, number: int, now: float) -> None:
        """End a publication, and that which stands in for it. Raises ``Refusal`` (``no_such_publication``)."""
        stream = self.publication(seat, number)
        for low in [each for each, other in seat.publications.items() if other.microphone is stream]:
            self.unpublish(seat, low, now)
        del seat.publications[number]
        self._forget(stream, now)
        self.context.outbox.command(CloseStream(stream.number, seat.media_id))
        self.change_log.add(Change(ChangeKind.UNPUBLISHED, participant=seat.participant, number=number), now)
        self.tell(lambda policy: policy.unpublished(stream, now))

    def publication(self, seat: Seat, number: int) -> Stream:
        """Return a publication of a participant. Raises ``Refusal`` (``no_such_publication``)."""
        stream = seat.publications.get(number)
        if stream is None:
            raise Refusal(ErrorCode.NO_SUCH_PUBLICATION)
        return stream

    def is_held(self, seat: Seat, source: Source) -> bool:
        """Return whether a source of a participant is held muted: it alone, or with all pictures of the room."""
        return source in seat.held or (self.info.audio_only and SOURCE_KIND[source] is Kind.VIDEO)

    def _forget(self, stream: Stream, now: float) -> None:
        self.forwarding.remove(stream)
        self.stream_ids.free(stream.number, now)
        for seat in self.seats.values():
            seat.subscription.choices.pop(stream.number, None)
        self._cancel_timers(stream)
        stream.acknowledge()

    def _cancel_timers(self, stream: Stream) -> None:
        for spatial in range(stream.info.layers if stream.info else 0):
            self.context.timers.cancel(("keyframe", self.number, stream.number, spatial))
        if stream.interest is not None:
            stream.interest.end()

    # State

    def follow(self, record: records.RoomRecord, info: RoomInfo, now: float) -> None:
        """Follow a change of the room's record, and tell everybody what can be seen of it."""
        self.record = record
        self.tell(lambda policy: policy.settings_changed(now))
        self.set_info(info, now)

    def set_info(self, info: RoomInfo, now: float) -> None:
        """Change what can be seen of the room, and tell everybody."""
        if info != self.info:
            self.info = info
            self.change_log.add(Change(ChangeKind.ROOM_UPDATED, room=info), now)

    def send_snapshot(self, seat: Seat) -> int:
        """Send a participant the state of the room in pages; return how many pages there are.

        The pages show the state as of now, so the changes up to now are not sent to this participant again.
        """
        seat.seen = self.change_log.number
        pages = snapshot(self.change_log.number, self.info, self.seats.values())
        for page in pages:
            seat.channel.send(page)
        speaking = tuple(other.participant for other in self.seats.values() if other.is_speaking)
        if speaking or self.dominant in self.seats:
            dominant = self.dominant if self.dominant in self.seats else 0
            seat.channel.send(Speakers(started=speaking, dominant=dominant))
        self.qualities.send_all(seat)
        limited = [stream for stream in self.forwarding.streams.values() if stream.beyond_last_n]
        stream_states.send(stream_states.messages(limited), [seat])
        return len(pages)


@dataclass(slots=True, eq=False)
class RoomRequest(Request[M]):
    """A request of a participant, with its seat and room."""

    seat: Seat
    room: Room
