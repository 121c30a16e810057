"""All rooms of the server: find or make them by name, enter, change and close them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from math import inf
from typing import Any, TypeVar

from tcproto.errors import ErrorCode, Refusal
from tcproto.membership import MemberStatement, verify_member
from tcproto.messages import CloseRoom, Join, Ok, OpenRoom, RoomInfo, UpdateRoom
from tcproto.messages import Room as RoomReply
from tcproto.messages.types import LIFE_ID_SIZE, MEMBERS_PER_PAGE
from tcproto.names import clean_display, fold_room, looks
from tcserver.conference.context import Context
from tcserver.conference.crashes import abandon, is_whole
from tcserver.conference.effects import SaveRoom, Where
from tcserver.conference.limits.admission import MAX_WAIT, Admission
from tcserver.conference.limits.budget import DELIVERY_COST, PAGE_COST
from tcserver.conference.login.connection import Request
from tcserver.conference.login.session import Session
from tcserver.conference.policy import Policies
from tcserver.conference.policy.last_n import cameras_shown
from tcserver.conference.room.kicks import Kicks
from tcserver.conference.room.placement import SEAT_LOAD, place
from tcserver.conference.room.room import Room, RoomRequest
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import MAX_LAG, Overloaded, SealerTold, SeatOpened, WorkerLoad
from tcserver.records import RoomRecord, changes_of
from tcserver.records.room import BY_CHAIR

ACCOUNT_PART = 0.25
"""Share of all joins that one account may make."""
M = TypeVar("M")
T = TypeVar("T")
SAVE_RETRY_MS = 200
"""Time in ms after which to ask again while another change of the room is being written."""
FAILED_SAVE_RETRY_MS = 5000
"""Time in ms after which to ask again after a failed write. A copy of a database locks it for seconds."""


class Rooms:
    """The open rooms, and the records of permanent ones."""

    def __init__(self, context: Context, records: Iterable[RoomRecord], policies: Policies, now: float) -> None:
        self._context = context
        self._policies = policies
        self._joins = Admission(context.settings.join_rate, {"account": ACCOUNT_PART}, now)
        self._records = {record.name: record for record in records}
        self._looks = {looks(record.name) for record in self._records.values()}
        """Names of permanent rooms without what looks alike."""
        self._kicks = Kicks()
        self._by_name: dict[str, Room] = {}
        self._by_number: dict[int, Room] = {}
        self._numbers = count(1)
        self._tickets = count(1)
        self._saving: dict[int, tuple[Request[UpdateRoom], SaveRoom]] = {}
        """By ticket: the request, and what is being written."""

    def __len__(self) -> int:
        """Return the number of open rooms."""
        return len(self._by_name)

    def open(self, request: Request[OpenRoom]) -> None:
        """Find or make a room and reply with it."""
        name, title = _clean(request.message.name)
        self._check_kick(name, request.session, request.now)
        self._check_invitation(name, request.session)
        room = self._by_name.get(name)
        record = self._records.get(name)
        if room is not None:
            e2ee = room.info.e2ee
        elif record is not None:
            e2ee = record.e2ee
        elif self._context.settings.rooms.temporary:
            e2ee = request.message.e2ee
        else:
            raise Refusal(ErrorCode.NO_SUCH_ROOM)
        if e2ee != request.message.e2ee:
            raise Refusal(ErrorCode.MODE_MISMATCH)
        if room is None:
            if (left := self._context.drains_at - request.now) < inf:
                raise Refusal(ErrorCode.MAINTENANCE, retry_after_ms=max(1, round(left * 1000)))
            room = self._make(request, name, title, record)
        request.reply(RoomReply(room=room.info))

    def join(self, request: Request[Join]) -> None:
        """Check that the session may have a seat, and reserve one. The reply comes when the seat is open."""
        message, session = request.message, request.session
        if session.number in self._context.seat_of:
            raise Refusal(ErrorCode.ALREADY_IN_ROOM)
        name, _ = _clean(message.name)
        self._check_kick(name, session, request.now)
        self._check_invitation(name, session)
        room = self._by_name.get(name)
        if room is None:
            raise Refusal(ErrorCode.ROOM_CHANGED if name in self._records else ErrorCode.NO_SUCH_ROOM)
        if room.info.life != message.life:
            raise Refusal(ErrorCode.ROOM_CHANGED)
        statement = MemberStatement(
            self._context.server.fingerprint,
            message.life,
            name,
            session.account.name,
            session.name,
            message.box_key,
            message.signed_at,
        )
        if not verify_member(statement, message.signature, session.device_key):
            raise Refusal(ErrorCode.BAD_REQUEST, "the member signature does not verify")
        seats = chain(room.seats.values(), room.joining.values())
        if any(seat.join.message.box_key == message.box_key for seat in seats):
            raise Refusal(ErrorCode.BAD_REQUEST, "somebody else in the room has this box key")
        wait = self._joins.wait(session.number, {"account": session.account.id}, request.now)
        if wait:
            raise Refusal(ErrorCode.RATE_LIMITED, "too many participants enter at a time", round(wait * 1000) + 1)
        request.cost(DELIVERY_COST * len(room.seats) + PAGE_COST * (1 + len(room.seats) // MEMBERS_PER_PAGE))
        room.reserve(request, request.now)

    def kick(self, room: Room, seat: Seat, now: float, text: str) -> None:
        """Take the seat of a participant away, and keep that device of the account out for a while."""
        session, lasts = seat.session, self._context.settings.rooms.kick_s
        if lasts:
            self._kicks.add(room.info.name, session.account.name, session.device_key, now + lasts)
        room.evict(seat, now, ErrorCode.KICKED, text)

    def _check_kick(self, name: str, session: Session, now: float) -> None:
        wait = self._kicks.wait(name, session.account.name, session.device_key, now)
        if wait:
            raise Refusal(ErrorCode.KICKED, retry_after_ms=int(wait * 1000) + 1)

    def _check_invitation(self, name: str, session: Session) -> None:
        record = self._records.get(name)
        if record is not None and not record.invites(session.account):
            raise Refusal(ErrorCode.NO_SUCH_ROOM)  # who is not invited shall not learn of the meeting

    def sealer_told(self, event: SeatOpened | SealerTold, now: float) -> None:
        """Pass the keys of a media worker to the seat that waits for them, if it was not given up."""
        seat = self._context.seats.get(event.media_id)
        if seat is not None and not seat.is_open:
            self.of(seat).take_keys(seat, event.sealer, now)

    def __iter__(self) -> Iterator[Room]:
        """Go through the open rooms."""
        return iter(self._by_name.values())

    def by_name(self, name: str) -> Room | None:
        """Return the open room of a folded name."""
        return self._by_name.get(name)

    def by_number(self, number: int) -> Room | None:
        """Return the open room that has a number in the media plane."""
        return self._by_number.get(number)

    def of(self, seat: Seat) -> Room:
        """Return the room of a seat."""
        return self._by_number[seat.room]

    def request(self, request: Request[M], seat: Seat) -> RoomRequest[M]:
        """Return a request with the seat, and the room, of the participant who makes it."""
        connection, message, request_id, now = request.connection, request.message, request.request_id, request.now
        return RoomRequest(connection, message, request_id, now, request.outbox, seat, self.of(seat))

    def worker_load(self, event: WorkerLoad) -> None:
        """Take a report of a media worker of how much it sends."""
        self._context.worker_loads.report(event.worker, event.datagrams)

    def worker_replaced(self, worker: int, now: float) -> list[Room]:
        """Go on with all rooms of a media worker that was replaced; return those that go on."""
        rooms = [room for room in self._by_number.values() if worker in room.media_seats.workers]
        seats = sum(self._each(rooms, lambda room: room.restart(worker, now), now))
        self._context.outbox.log("media_restarted", worker=worker, rooms=len(rooms), seats=seats)
        return [room for room in rooms if not room.is_closed]

    def overloaded(self, event: Overloaded, now: float) -> None:
        """Let the rooms that show most cameras show fewer while the media plane has too much to do."""
        cap = self._context.camera_cap
        cause = "lag" if event.lag > MAX_LAG else "datagrams"
        self._context.counters[f"overload_{cause}"] += 1
        changed = cap.overloaded(max(map(cameras_shown, self._by_name.values()), default=0), now)
        self._context.timers.set("cameras", now + cap.calm, self._calm)
        if changed:
            self._cap_changed(now, cause=cause, lag_ms=round(event.lag * 1000), datagrams_per_s=round(event.datagrams))

    def _calm(self, now: float) -> None:
        again = self._context.camera_cap.restore()
        if again is not None:
            self._context.timers.set("cameras", now + again, self._calm)
        self._cap_changed(now, cause="calm")

    def _cap_changed(self, now: float, **why: str | int) -> None:
        self._context.outbox.log("camera_limit", limit=self._context.camera_cap.limit or 0, **why)
        self._each(self._by_name.values(), lambda room: room.tell(lambda policy: policy.camera_cap_changed(now)), now)

    def close(self, room: Room, now: float, text: str = "") -> None:
        """Close a room for everybody in it."""
        room.close(now, text)
        self._forget(room)

    def close_all(self, now: float) -> None:
        """Close all rooms."""
        self._each(self._by_name.values(), lambda room: self.close(room, now), now)

    def _forget(self, room: Room) -> None:
        if self._by_number.pop(room.number, None) is not None:
            del self._by_name[room.info.name]

    # Errors of our own

    def crashed(self, room: Room, error: Exception, now: float) -> None:
        """End this life of a room in which a change failed, and log the error."""
        self._context.crashed(Where.ROOM, error, room=room.info.name)
        self.restart(room, now)

    def restart(self, room: Room, now: float) -> None:
        """End this life of a room that failed. The next begins when somebody enters."""
        self._forget(room)
        abandon(room, self._context, now)

    def mend(self, room: Room, now: float) -> None:
        """Restart a room if a change was left half done."""
        if not is_whole(room, self._context):
            self.restart(room, now)

    def _each(self, rooms: Iterable[Room], do: Callable[[Room], T], now: float) -> list[T]:
        """Do the same to several rooms, and return the results. A room that fails is restarted, and no other."""
        results = []
        for room in list(rooms):
            try:
                results.append(do(room))
            except Exception as error:
                self.crashed(room, error, now)
        return results

    # Changes

    def update(self, request: RoomRequest[UpdateRoom]) -> None:
        """Change what a chair may change of a room. A change of a permanent room is written to disk first."""
        room = request.room
        try:
            changes = changes_of(request.message)
        except ValueError as error:
            raise Refusal(ErrorCode.BAD_REQUEST, str(error)) from None
        if changes.get("max_participants", 0) > self._most:
            raise Refusal(ErrorCode.BAD_REQUEST, "the room cannot have as many participants")
        request.cost(DELIVERY_COST * len(room.seats))
        if room.info.permanent:
            self._save(request, changes)
        else:
            self._follow(room, replace(room.record, **changes), request.now)
            request.reply(Ok())

    def end(self, request: RoomRequest[CloseRoom]) -> None:
        """End the meeting for everybody. A permanent room stays, and its next life begins when somebody comes."""
        room = request.room
        self._context.outbox.log("meeting_ended", room=room.info.name, by=request.session.number)
        request.reply(Ok())
        self.close(room, request.now)

    def saved(self, ticket: int, ok: bool, now: float) -> None:
        """Carry out a change that is on disk, or refuse one that could not be written."""
        request, write = self._saving.pop(ticket)
        if not ok:
            request.refuse(Refusal(ErrorCode.INTERNAL, "the room could not be saved", FAILED_SAVE_RETRY_MS))
            return
        request.reply(Ok())
        record = self._records.get(write.name)
        if record is not None:
            self._stored(replace(record, **write.changes), now)

    def records_changed(self, records: Iterable[RoomRecord], now: float) -> None:
        """Follow a change of permanent rooms by the operator; ``records`` are all of them."""
        current = {record.name: record for record in records}
        self._looks = {looks(name) for name in current}
        for name in self._records.keys() - current.keys():
            self._removed(name, now)
        for record in current.values():
            self._stored(record, now)

    def _removed(self, name: str, now: float) -> None:
        self._records.pop(name, None)
        room = self._by_name.get(name)
        if room is not None and room.info.permanent:
            self._each([room], lambda room: self.close(room, now), now)

    def _stored(self, record: RoomRecord, now: float) -> None:
        self._records[record.name] = record
        room = self._by_name.get(record.name)
        if room is not None and room.info.permanent:
            self._each([room], lambda room: self._follow(room, record, now), now)

    @property
    def _most(self) -> int:
        """Participants of any room."""
        return self._context.settings.rooms.max_participants

    def _follow(self, room: Room, record: RoomRecord, now: float) -> None:
        room.follow(record, self._shown(room.info, record), now)

    def _shown(self, info: RoomInfo, record: RoomRecord) -> RoomInfo:
        """Return what can be seen of a room with this record. Its encryption mode changes with the next life only."""
        shown = {name: getattr(record, name) for name in BY_CHAIR if hasattr(info, name)}
        # A stored limit may be more than the server allows at present.
        shown["max_participants"] = min(record.max_participants, self._most)
        return replace(info, **shown)

    def _save(self, request: RoomRequest[UpdateRoom], changes: Mapping[str, Any]) -> None:
        name = request.room.info.name
        if any(write.name == name for _, write in self._saving.values()):
            raise Refusal(ErrorCode.RATE_LIMITED, "the room is being changed", SAVE_RETRY_MS)
        write = SaveRoom(next(self._tickets), name, changes)
        self._saving[write.ticket] = request, write
        self._context.outbox.add(write)

    def _make(self, request: Request[OpenRoom], name: str, title: str, stored: RoomRecord | None) -> Room:
        opener, most = request.session.account.name, self._most
        if stored is None:
            self._check_temporary(name, opener, request.now)
        record = stored or RoomRecord(name, title, e2ee=request.message.e2ee, max_participants=most)
        life = self._context.random_bytes(LIFE_ID_SIZE)
        info = RoomInfo(name, life, record.e2ee, most, permanent=stored is not None)
        room = Room(
            self._context,
            next(self._numbers),
            self._choose_worker(),
            self._shown(info, record),
            policies=self._policies,
            record=record,
            opener=opener,
            expire=self.close,
            now=request.now,
        )
        self._by_name[name] = self._by_number[room.number] = room
        self._context.outbox.log("room_opened", room=name, by=request.session.number)
        return room

    def _check_temporary(self, name: str, opener: str, now: float) -> None:
        """Refuse a temporary room that looks like a permanent one by its name, or that is one too many."""
        settings = self._context.settings
        most, most_of_account = settings.rooms.max_rooms, settings.rooms.max_rooms_per_account
        if looks(name) in self._looks:
            raise Refusal(ErrorCode.BAD_NAME, "the name looks like that of a permanent room")
        temporary = [room for room in self._by_name.values() if not room.info.permanent]
        if len(temporary) >= most:
            raise Refusal(ErrorCode.SERVER_FULL, "too many rooms are open", self._until_one_ends(temporary, now))
        own = [room for room in temporary if room.opener == opener]
        if len(own) >= most_of_account:
            wait_ms = self._until_one_ends(own, now)
            raise Refusal(ErrorCode.RATE_LIMITED, "the account has opened too many rooms", wait_ms)
        unused = [room for room in own if not room.was_used]
        if len(unused) >= settings.max_unused_rooms:
            wait_ms = self._until_one_ends(unused, now)
            raise Refusal(ErrorCode.RATE_LIMITED, "too many rooms were opened and not entered", wait_ms)

    def _until_one_ends(self, rooms: Iterable[Room], now: float) -> int:
        """Return the ms until the first empty room of these closes; ``MAX_WAIT`` at most."""
        ends = [end for room in rooms if (end := self._context.timers.when(("room", room.number))) is not None]
        return int(min([MAX_WAIT, *(end - now + 0.001 for end in ends)]) * 1000)

    def _choose_worker(self) -> int:
        """Choose the media worker of a new room. Rooms without seats count too, since somebody is about to come."""
        loads = self._context.loads()
        for room in self._by_number.values():
            loads[room.media_seats.home] += SEAT_LOAD
        return place(loads, self._context.random_bytes)


def _clean(name: str) -> tuple[str, str]:
    """Return the folded and the shown spelling of a room name."""
    try:
        return fold_room(name), clean_display(name)
    except ValueError as error:
        raise Refusal(ErrorCode.BAD_REQUEST, str(error)) from None
