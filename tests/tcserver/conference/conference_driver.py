"""A shell without sockets: people who speak to a conference, a media plane that keeps the books, and a clock.

Every effect is checked against what must always hold, so each test checks more than it says.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace

from tcproto import messages as m
from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge, sign_account_login, sign_device_login
from tcproto.errors import ErrorCode
from tcproto.identity import SigningKey
from tcproto.membership import MemberStatement
from tcproto.messages import ChangeKind, State
from tcserver import plane
from tcserver.conference import (
    Conference,
    Disconnect,
    FindAccount,
    LogEvent,
    MediaCommand,
    Rate,
    RemoveRoom,
    SaveRoom,
    Send,
    SessionEnded,
    SessionStarted,
    Settings,
)
from tcserver.identity import ServerIdentity
from tcserver.records import Account, RoomRecord

SERVER = ServerIdentity(bytes(range(32)))
LIFE = bytes(16)


def account_key(name: str) -> SigningKey:
    return SigningKey(name.encode().ljust(32, b"\0"))


def make_account(name: str, number: int, **values: object) -> Account:
    challenge = Challenge(name.encode().ljust(16, b"\0")[:16], DEFAULT_MEMORY, DEFAULT_PASSES)
    record = {"id": number, "generation": 1, **values}
    return Account(name, name.title(), challenge, account_key(name).public, **record)


class Plane:
    """Keeps the books of the media plane, and refuses what makes no sense."""

    def __init__(self) -> None:
        self.rooms: dict[int, dict[int, plane.OpenSeat]] = {}
        self.homes: dict[int, int] = {}
        self.sealers: dict[int, dict[int, list[plane.SealerState]]] = {}
        """By room and slot: the two newest keys."""
        self.shared: dict[int, tuple[int, ...]] = {}
        """The workers of each room that has several."""
        self.seats: dict[int, plane.OpenSeat] = {}
        self.streams: dict[tuple[int, int], plane.OpenStream] = {}
        self.forwarding: dict[tuple[int, int], dict[int, plane.Receiver]] = {}
        self.rotations: list[plane.RotateSealer] = []
        self.tickets: list[plane.OpenTicket] = []
        self.limits: dict[int, list[int]] = {}
        """Talkers that are forwarded, by room, as they were told."""
        self.log: list[plane.Command] = []

    def apply(self, command: plane.Command) -> list[plane.Event]:
        self.log.append(command)
        match command:
            case plane.OpenSealer():
                self.rooms.setdefault(command.room, {})
                sealers = self.sealers.setdefault(command.room, {})
                assert command.slot not in sealers
                sealers[command.slot] = [plane.SealerState(command.sealer, command.epoch, command.key, 0)]
                if command.slot == self.homes.setdefault(command.room, command.slot):
                    self.limits[command.room] = []
            case plane.ShareRoom():
                assert command.home == self.homes[command.room]
                assert set(command.slots) == self.sealers[command.room].keys()
                self.shared[command.room] = command.slots
            case plane.TellSealer():
                sealers = self.sealers[command.room].values()
                return [plane.SealerTold(command.media_id, tuple(states)) for states in sealers]
            case plane.RotateSealer():
                states = self.sealers[command.room][command.slot]
                states.append(plane.SealerState(states[0].sealer, command.epoch, command.key, 0))
                assert command.epoch == (states[-2].epoch + 1) % 256
                del states[:-2]
                self.rotations.append(command)
            case plane.CloseRoom():
                assert not self.rooms.pop(command.room), "seats are closed before their room"
                del self.sealers[command.room], self.homes[command.room]
            case plane.OpenSeat():
                assert command.media_id not in self.seats
                assert command.media_id > 0xFF
                self.seats[command.media_id] = self.rooms[command.room][command.media_id] = command
                states = self.sealers[command.room][command.media_id & 0xFF]
                return [plane.SeatOpened(command.media_id, tuple(states))]
            case plane.RekeySeat():
                assert command.media_id in self.seats
            case plane.CloseSeat():
                if self.seats.pop(command.media_id, None) is None:
                    assert len(self.sealers[command.room]) > 1, "only of the worker that is gone"
                else:
                    self._forget(command.media_id, command.room)
                for receivers in self.forwarding.values():
                    receivers.pop(command.media_id, None)
            case plane.OpenTicket():
                self.tickets.append(command)
            case plane.OpenStream():
                room = self.seats[command.media_id].room
                taken = {number for media_id, number in self.streams if self.seats[media_id].room == room}
                assert command.stream not in taken
                self.streams[command.media_id, command.stream] = command
            case plane.MuteStream():
                key = (command.media_id, command.stream)
                self.streams[key] = replace(self.streams[key], muted=command.muted)
            case plane.CloseStream():
                del self.streams[command.media_id, command.stream]
                self.forwarding.pop((command.media_id, command.stream), None)
            case plane.ChangeForwarding():
                self._forward(command)
            case plane.SetSpeakers():
                limits = self.limits[command.room]
                if (limits or [0])[-1] != command.limit:
                    limits.append(command.limit)
                else:
                    assert command.room in self.shared, "only changes are told, except to a worker that is new"
        return []

    def lose(self, slot: int) -> None:
        """Forget everything that the worker in a slot had."""
        for room, sealers in self.sealers.items():
            sealers.pop(slot, None)
            for media_id in [media_id for media_id in self.rooms[room] if media_id & 0xFF == slot]:
                del self.seats[media_id]
                self._forget(media_id, room)

    def _forget(self, media_id: int, room: int) -> None:
        del self.rooms[room][media_id]
        for key in [key for key in self.streams if key[0] == media_id]:
            del self.streams[key]
            self.forwarding.pop(key, None)

    def _forward(self, command: plane.ChangeForwarding) -> None:
        keys = {key[1]: key for key in self.streams if self.seats[key[0]].room == command.room}
        for stream in command.streams:
            media_id, _ = key = keys[stream]
            receivers = self.forwarding.setdefault(key, {})
            for receiver in command.receivers:
                assert self.seats[receiver.media_id].room == command.room, "a stream stays in its room"
                assert receiver.media_id != media_id
                assert receivers.get(receiver.media_id) != receiver, "only changes are told"
                receivers[receiver.media_id] = receiver
            for gone in command.gone:
                del receivers[gone]


@dataclass
class View:
    """What a client knows of its room."""

    joined: m.Joined
    media_id: int = 0
    sealers: set[int] = field(default_factory=set)
    number: int = -1
    info: m.RoomInfo | None = None
    complete: bool = False
    members: dict[int, m.Member] = field(default_factory=dict)
    publications: dict[tuple[int, int], m.PublicationInfo] = field(default_factory=dict)

    def take_page(self, page: m.Snapshot) -> None:
        if self.complete:
            self.members, self.publications, self.complete = {}, {}, False
        self.number, self.info = page.number, page.room
        self.members.update({member.participant: member for member in page.members})
        self.publications.update({(p.participant, p.number): p for p in page.publications})
        self.complete = page.last

    def take_changes(self, changes: m.RoomChanges) -> None:
        assert self.complete
        assert changes.first == self.number + 1, "changes have no gap"
        for change in changes.changes:
            self.number += 1
            self._apply(change)

    def _apply(self, change: m.Change) -> None:
        match change.what:
            case ChangeKind.MEMBER_JOINED:
                assert change.member.participant not in self.members
                self.members[change.member.participant] = change.member
            case ChangeKind.MEMBER_UPDATED:
                assert change.member.participant in self.members
                self.members[change.member.participant] = change.member
            case ChangeKind.MEMBER_LEFT:
                del self.members[change.participant]
                for key in [key for key in self.publications if key[0] == change.participant]:
                    del self.publications[key]
            case ChangeKind.PUBLISHED:
                key = (change.publication.participant, change.publication.number)
                assert key not in self.publications
                self.publications[key] = change.publication
            case ChangeKind.PUBLICATION_UPDATED:
                key = (change.publication.participant, change.publication.number)
                assert key in self.publications
                self.publications[key] = change.publication
            case ChangeKind.UNPUBLISHED:
                del self.publications[change.participant, change.number]
            case ChangeKind.ROOM_UPDATED:
                self.info = change.room
            case _:
                raise AssertionError(change)


class Person:
    """A client and its connection."""

    def __init__(self, driver: Driver, account: str, name: str, device: int, address: str) -> None:
        self.driver = driver
        self.account = account
        self.name = name
        self.device = SigningKey(device.to_bytes(32, "big"))
        self.address = address
        self.connection = next(driver.numbers)
        self.handshake_hash = self.connection.to_bytes(64, "big")
        self.requests = 0
        self.open: dict[int, object] = {}
        """Requests that wait for a reply."""
        self.replies: dict[int, object] = {}
        self.inbox: list[object] = []
        self.closed: m.Close | None = None
        self.is_gone = False
        self.welcome: m.Welcome | None = None
        self.view: View | None = None
        self.numbers = 0

    # Speaking

    def ask(self, message: object) -> object:
        """Send a request; the reply if it came at once, else None."""
        request_id = self.send(message)
        return self.replies.get(request_id)

    def send(self, message: object) -> int:
        self.requests += 1
        self.open[self.requests] = message
        number = self.requests
        self.driver.receive(self, message, number)
        return number

    def tell(self, message: object) -> None:
        self.driver.receive(self, message, 0)

    def connect(self) -> Person:
        self.driver.apply(self.driver.conference.connected(self.connection, self.address, self.driver.now))
        self.driver.apply(self.driver.conference.handshake_done(self.connection, self.handshake_hash, self.driver.now))
        return self

    def drop(self) -> None:
        """The connection breaks."""
        self.is_gone = True
        self.driver.apply(self.driver.conference.disconnected(self.connection, self.driver.now))

    def login_message(self, *, key: SigningKey | None = None, account: str = "", name: str | None = None) -> m.Login:
        account = account or self.account
        key = key or account_key(account)
        return m.Login(
            account=account,
            name=self.name if name is None else name,
            device_key=self.device.public,
            account_signature=sign_account_login(key, self.handshake_hash, self.device.public, account),
            device_signature=sign_device_login(self.device, self.handshake_hash, account),
        )

    def log_in(self) -> object:
        self.ask(m.LoginBegin(self.account))
        return self.ask(self.login_message())

    def join_message(self, room: str, life: bytes, *, name: str | None = None) -> m.Join:
        box_key = self.connection.to_bytes(32, "big")
        shown = self.name if name is None else name
        statement = MemberStatement(SERVER.fingerprint, life, self.account, shown, box_key, 7)
        return m.Join(room, life, box_key, 7, self.device.sign(statement.text()))

    def enter(self, room: str = "room", *, e2ee: bool = True) -> object:
        opened = self.ask(m.OpenRoom(room, e2ee))
        if not isinstance(opened, m.Room):
            return opened
        return self.ask(self.join_message(room, opened.room.life))

    def publish(self, source: m.Source = m.Source.MICROPHONE, **values: object) -> object:
        self.numbers += 1
        kind = m.Kind.AUDIO if source is m.Source.MICROPHONE else m.Kind.VIDEO
        return self.ask(m.Publish(self.numbers, kind, source, "codec", **values))

    def subscribe(self, *sources: m.Source, choices: tuple[m.StreamChoice, ...] = (), generation: int = 1) -> object:
        return self.ask(m.Subscribe(generation, sources, choices))

    # What arrived

    @property
    def participant(self) -> int:
        assert self.view is not None
        return self.view.joined.participant

    @property
    def media_id(self) -> int:
        assert self.view is not None
        return self.view.media_id

    def got(self, kind: type) -> list:
        """Notifications of a kind that came since the last call; others are kept."""
        found = [message for message in self.inbox if isinstance(message, kind)]
        self.inbox = [message for message in self.inbox if not isinstance(message, kind)]
        return found

    def take(self, message: object, request_id: int) -> None:
        row = m.row_of(type(message))
        if row.reply:
            request = self.open.pop(request_id)
            assert isinstance(message, (m.Error, m.row_of(type(request)).answer))
            self.replies[request_id] = message
            self._take_reply(request, message)
            return
        assert row.states & self.state, f"{message} in {self.state}"
        match message:
            case m.Ping():
                return
            case m.Close():
                self.closed = message
            case m.Snapshot():
                self.view.take_page(message)
            case m.RoomChanges():
                self.view.take_changes(message)
            case m.MediaMove():
                self.view.media_id = message.media_id
            case m.NewRoomKey():
                self.view.sealers.add(message.room_key.sealer)
            case m.SealerClosed():
                self.view.sealers.remove(message.sealer)
            case m.Evicted():
                self.view = None
        self.inbox.append(message)

    def _take_reply(self, request: object, reply: object) -> None:
        match reply:
            case m.Welcome():
                self.welcome = reply
            case m.Joined():
                assert self.view is None
                self.view = View(reply, reply.media_id, {key.sealer for key in reply.room_keys})
        if isinstance(request, m.Leave) and isinstance(reply, m.Ok):
            self.view = None

    @property
    def state(self) -> State:
        if self.welcome is None:
            return State.LOGIN
        return State.LOBBY if self.view is None else State.ROOM


class Driver:
    def __init__(
        self,
        *,
        accounts: tuple[Account, ...] = (),
        rooms: tuple[RoomRecord, ...] = (),
        seed: int = 1,
        **settings: object,
    ) -> None:
        self.random = random.Random(seed)
        self.now = 1000.0
        self.unix_ms = 1_700_000_000_000
        self.accounts = {account.name: account for account in accounts}
        self.devices: dict[str, set[bytes]] = {}
        self.conference = Conference(
            Settings(**{"login_rate": Rate(10_000, 10_000), "join_rate": Rate(10_000, 10_000), **settings}),
            SERVER,
            self.random.randbytes,
            lambda: self.unix_ms,
            rooms,
            self.now,
        )
        self.plane = Plane()
        self.people: dict[int, Person] = {}
        self.numbers = iter(range(1, 1_000_000))
        self.devices_made = iter(range(1, 1_000_000))
        self.sessions: dict[int, SessionStarted] = {}
        self.session_numbers: list[int] = []
        self.logged: list[LogEvent] = []
        self.writes: list[SaveRoom | RemoveRoom] = []
        self.hold_lookups = self.hold_seats = self.hold_writes = False
        self.held: deque = deque()
        self._events: deque = deque()
        self._is_busy = False

    # People

    def person(self, account: str = "dinkes", name: str = "", device: int = 0, address: str = "10.0.0.1") -> Person:
        """Somebody with a connection after the handshake; the account is made if it is new."""
        self.add_account(account)
        device = device or next(self.devices_made)
        person = Person(self, account, name or f"Person {device}", device, address)
        self.people[person.connection] = person
        return person.connect()

    def add_account(self, name: str, **values: object) -> Account:
        if name not in self.accounts:
            self.accounts[name] = make_account(name, len(self.accounts) + 1, **{"max_sessions": 1000, **values})
        return self.accounts[name]

    def user(self, account: str = "dinkes", **values: object) -> Person:
        """Somebody who has logged in."""
        person = self.person(account, **values)
        assert isinstance(person.log_in(), m.Welcome), person.replies
        return person

    def member(self, room: str = "room", account: str = "dinkes", **values: object) -> Person:
        """Somebody who has a seat."""
        person = self.user(account, **values)
        reply = person.enter(room)
        assert isinstance(reply, m.Joined), reply
        return person

    # Inputs

    def receive(self, person: Person, message: object, request_id: int) -> None:
        self.apply(self.conference.received(person.connection, m.Envelope(message, request_id), self.now))

    def event(self, event: plane.Event) -> None:
        self.apply(self.conference.media_event(event, self.now))

    def replace_worker(self, slot: int = 0) -> None:
        """A media worker ends, and another comes in its place."""
        self.plane.lose(slot)
        self.event(plane.WorkerReplaced(slot))

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that falls due in it."""
        end = self.now + seconds
        while (due := self.conference.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.apply(self.conference.timeout(self.now))
        self.now = end

    def answer_held(self) -> None:
        """Give the answers that were held back, in order."""
        self.hold_lookups = self.hold_seats = self.hold_writes = False
        while self.held:
            self.apply(self.held.popleft()())

    # Effects

    def apply(self, effects: list) -> None:
        self._events.extend(effects)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._events:
                self._carry_out(self._events.popleft())
        finally:
            self._is_busy = False

    def _carry_out(self, effect: object) -> None:
        conference, now = self.conference, self.now
        match effect:
            case Send():
                person = self.people[effect.connection]
                assert not person.is_gone, "nothing is sent to who is gone"
                decoded = m.decode(m.encode(effect.message, effect.request_id))
                assert decoded == (effect.message, effect.request_id)
                person.take(*decoded)
                if isinstance(effect.message, m.Ping):
                    pong = m.Envelope(m.Pong(effect.message.time), effect.request_id)
                    self._events.extend(conference.received(effect.connection, pong, now))
            case Disconnect():
                person = self.people[effect.connection]
                assert not person.is_gone
                person.is_gone = True
            case FindAccount():
                self._answer(
                    self.hold_lookups,
                    lambda: conference.account_found(
                        effect.connection, self.accounts.get(effect.name), self.now, self.devices.get(effect.name, ())
                    ),
                )
            case SaveRoom() | RemoveRoom():
                self.writes.append(effect)
                self._answer(self.hold_writes, lambda: conference.saved(effect.ticket, True, self.now))
            case MediaCommand():
                for event in self.plane.apply(effect.command):
                    self._answer(self.hold_seats, lambda event=event: conference.media_event(event, self.now))
            case SessionStarted():
                assert effect.session not in self.session_numbers
                self.sessions[effect.session] = effect
                self.session_numbers.append(effect.session)
            case SessionEnded():
                del self.sessions[effect.session]
            case LogEvent():
                self.logged.append(effect)
            case _:
                raise AssertionError(effect)

    def _answer(self, hold: bool, give: object) -> None:
        if hold:
            self.held.append(give)
        else:
            self._events.extend(give())

    # What must hold whenever all is quiet

    def check(self) -> None:
        self.advance(0.1)
        conference = self.conference
        assert conference.sessions == len(self.sessions)
        assert len(conference._context.session_ids) == len(self.sessions)
        assert len(conference._context.media_ids) == len(self.plane.seats) == len(conference._context.seats)
        assert len(conference._context.participant_ids) == len(self.plane.seats)
        assert conference.rooms == len(self.plane.rooms)
        assert sum(map(len, self.plane.sealers.values())) == len(conference._context.sealer_ids)
        half_open = [person for person in self.people.values() if not person.is_gone and person.welcome is None]
        assert conference._connections._half_open.total() == len(half_open)
        rooms: dict[bytes, list[Person]] = {}
        for person in self.people.values():
            if not person.is_gone and person.view is not None:
                rooms.setdefault(person.view.info.life, []).append(person)
        for members in rooms.values():
            first = members[0].view
            room = self.plane.seats[members[0].media_id].room
            sealers = {states[0].sealer for states in self.plane.sealers[room].values()}
            assert all(person.view.sealers == sealers for person in members)
            media_ids = {person.media_id for person in members}
            assert media_ids == set(self.plane.rooms[room])
            for key, receivers in self.plane.forwarding.items():
                if key[0] in media_ids:
                    assert receivers.keys() <= media_ids, "nothing is sent to who is gone"
            assert first.members.keys() == {person.participant for person in members}
            for person in members[1:]:
                assert person.view.number == first.number
                assert person.view.members == first.members
                assert person.view.publications == first.publications
                assert person.view.info == first.info


def error_code(reply: object) -> ErrorCode | None:
    return reply.code if isinstance(reply, m.Error) else None
