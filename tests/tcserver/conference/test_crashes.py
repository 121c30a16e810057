"""Errors of the server itself, put into each part: what they end, and that nothing else ends with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference import Where
from tcserver.conference.crashes import RESTARTED
from tcserver.conference.policy.last_n import LastN
from tcserver.conference.policy.sealers import Sealers
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat
from tcserver.media import interface
from tcserver.records import RoomRecord, Standing
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver


class Fault(Exception):
    """The error that is put in."""


class World:
    """Two rooms with two participants each, and the part that fails in them."""

    def __init__(self, **options: object) -> None:
        self.driver = Driver(**options)
        self.first, self.second = (self.driver.participant("room", account) for account in ("a", "b"))
        self.others = [self.driver.participant("other", account) for account in ("c", "d")]
        self.driver.advance(10)
        self.driver.expects_crashes = True

    def room(self, name: str = "room"):
        return self.driver.rooms.by_name(name)

    def life(self) -> bytes:
        return self.room().info.life

    def crashes(self) -> dict[str, int]:
        counted = {where: number for where, number in self.driver.conference.crashes.items() if number}
        assert sum(counted.values()) == len(self.driver.crashes)
        assert all(isinstance(crash.error, Fault) for crash in self.driver.crashes)
        return counted

    def check(self) -> None:
        """The other room goes on, the first can be entered, and no table has anything left over."""
        for other in self.others:
            assert not other.is_gone
            assert not other.got(m.Evicted)
        assert isinstance(self.others[0].publish(), m.Published)
        self.driver.advance(60)
        assert isinstance(self.driver.user("e").enter("room"), m.Joined)
        self.driver.check()

    def restarted(self, *members: Client) -> None:
        """The participants were told so, and come back into a new life."""
        for member in members:
            (evicted,) = member.got(m.Evicted)
            assert (evicted.code, evicted.text) == (ErrorCode.INTERNAL, RESTARTED)
            assert not member.is_gone
            assert isinstance(member.enter("room"), m.Joined)


def fail(*args: object, **kwargs: object) -> None:
    raise Fault


def fail_once(monkeypatch: pytest.MonkeyPatch, target: object, name: str, before: bool = True) -> None:
    """Let a method fail the next time that it is called, before or after it has done what it does."""
    method: Callable[..., object] = getattr(target, name)

    def failing(*args: object, **kwargs: object) -> None:
        monkeypatch.undo()
        if not before:
            method(*args, **kwargs)
        raise Fault

    monkeypatch.setattr(target, name, failing)


def part_of(room: Room, name: str) -> type:
    """The class of a policy of a room, or of another part of it."""
    policies = {type(policy).__name__: type(policy) for policy in room.policies}
    return policies.get(name) or type(getattr(room, name))


@pytest.mark.parametrize("before", [True, False])
def test_a_frame_that_fails_ends_its_session_and_nothing_else(monkeypatch, before):
    world = World()
    fail_once(monkeypatch, type(world.room()), "publish", before)
    world.first.announce()
    assert world.crashes() == {Where.FRAME: 1}
    assert (world.first.is_gone, world.first.closed.code) == (True, ErrorCode.INTERNAL)
    world.driver.advance(1)
    assert world.second.view.members.keys() == {world.second.participant}, "half a seat is none"
    assert not world.second.got(m.Evicted)
    assert isinstance(world.second.publish(), m.Published)
    world.check()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    "part",
    ["Capacity.check_join", "stream_ids.take", "Roles.admitted", "change_log.add", "forwarding.add", "LastN.entered"],
)
def test_a_join_that_fails_half_way_leaves_no_half_seat(monkeypatch, part, before):
    world = World()
    life = world.life()
    newcomer = world.driver.user("f")
    name, method = part.split(".")
    fail_once(monkeypatch, part_of(world.room(), name), method, before)
    reply = newcomer.enter()
    assert sum(world.crashes().values()) == 1
    if part in ("stream_ids.take", "Capacity.check_join"):
        assert newcomer.closed.code is ErrorCode.INTERNAL, "before the media plane was asked: the frame failed"
        assert world.life() == life
    else:
        told = newcomer.got(m.Evicted) or [reply]
        assert told[-1].code is ErrorCode.INTERNAL, "while the seat was opened: the room failed"
        world.restarted(world.first, world.second)
        assert isinstance(newcomer.enter(), m.Joined)
        assert world.life() != life
    world.check()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("part", ["change_log.add", "forwarding.leave", "LastN.left", "Sealers.left"])
@pytest.mark.parametrize("way", ["leave", "lost", "kicked"])
def test_a_leave_that_fails_half_way_leaves_no_half_seat(monkeypatch, part, before, way):
    world = World()
    name, method = part.split(".")
    chair = world.first
    fail_once(monkeypatch, part_of(world.room(), name), method, before)
    match way:
        case "leave":
            world.second.send(m.Leave())
        case "lost":
            world.second.drop()
        case "kicked":
            chair.send(m.Kick(world.second.participant))
    assert sum(world.crashes().values()) == 1
    world.driver.advance(1)
    stays = world.second if way == "kicked" else chair
    if stays.got(m.Evicted):
        assert isinstance(chair.enter("room"), m.Joined) or chair.is_gone
    elif not chair.is_gone:
        assert chair.view.members.keys() == {chair.participant}, "nobody sees a ghost"
    if way == "kicked":
        assert chair.closed.code is ErrorCode.INTERNAL
    world.check()


def test_a_deadline_that_fails_ends_what_it_belongs_to_and_the_others_follow(monkeypatch):
    world = World()
    timers = world.driver.conference.context.timers
    due, fired = world.driver.now + 1, []
    timers.set(("idle", world.others[0].connection + 1000), due, fail)
    timers.set("cameras", due, fail)
    timers.set("behind", due, fired.append)
    world.driver.advance(1)
    assert fired == [due]
    assert world.crashes() == {Where.TIMER: 2}
    world.check()


@pytest.mark.parametrize("name", ["idle", "login", "challenge", "failed login"])
def test_a_deadline_of_a_connection_that_fails_closes_it(name):
    world = World()
    stranger = world.driver.client("g")
    timers = world.driver.conference.context.timers
    for client in (stranger, world.first):
        timers.set((name, client.connection), world.driver.now + 1, fail)
    world.driver.advance(1)
    assert stranger.closed.code is world.first.closed.code is ErrorCode.INTERNAL
    assert not world.second.got(m.Evicted)
    assert world.crashes() == {Where.TIMER: 2}
    world.check()


def test_a_deadline_of_a_session_that_fails_ends_it():
    world = World()
    timers = world.driver.conference.context.timers
    timers.set(("detached", world.first.welcome.session), world.driver.now + 1, fail)
    world.driver.advance(1)
    assert world.first.closed.code is ErrorCode.INTERNAL
    assert not world.second.got(m.Evicted)
    assert world.crashes() == {Where.TIMER: 1}
    world.check()


@pytest.mark.parametrize("part", ["change_log._send", "sealers._rotate", "seat.rekey"])
def test_a_deadline_of_a_room_that_fails_restarts_it(monkeypatch, part):
    world = World()
    life, room = world.life(), world.room()
    match part:
        case "change_log._send":
            world.first.announce()
            monkeypatch.setattr(type(room.change_log), "_send", fail)
            room.change_log._timers.set(("changes", room.number), world.driver.now + 0.01, room.change_log._send)
        case "sealers._rotate":
            (sealers,) = [policy for policy in room.policies if isinstance(policy, Sealers)]
            (sealer,) = sealers._by_worker.values()
            monkeypatch.setattr(type(sealer), "_announce", fail)
            world.driver._events.clear()
            world.driver.conference.context.timers.set(("sealer", room.number, 0), world.driver.now, sealer._rotate)
        case "seat.rekey":
            seat = room.seats[world.first.participant]
            room.media_seats.rekey(seat, world.driver.now)
            room.media_seats.rekey(seat, world.driver.now)
            monkeypatch.setattr(Seat, "renew_keys", fail)
    world.driver.advance(11)
    monkeypatch.undo()
    assert world.crashes() == {Where.TIMER: 1}
    world.restarted(world.first, world.second)
    assert world.life() != life
    world.check()


@pytest.mark.parametrize("kind", ["speakers", "worn", "keys", "keyframe", "command"])
def test_what_the_media_plane_reports_of_a_room_and_fails_restarts_it(monkeypatch, kind):
    world = World()
    room, life = world.room(), world.life()
    with monkeypatch.context() as patch:
        match kind:
            case "speakers":
                patch.setattr(LastN, "spoke", fail)
                event: interface.Event = interface.SpeakersChanged(room.number, (world.first.participant,), (), 0)
            case "worn":
                patch.setattr(Sealers, "rekey_due", fail)
                event = interface.SealerRekeyDue(room.number, 1)
            case "keys":
                patch.setattr(Seat, "renew_keys", fail)
                event = interface.SeatRekeyDue(world.first.media_id)
            case "keyframe":
                patch.setattr("tcserver.conference.requests.publishing._layer", fail)
                event = interface.KeyframeAsked(world.first.media_id, 1, 0)
            case "command":
                event = interface.RoomFailed(room.number)
        world.driver.event(event)
    assert world.crashes() == ({} if kind == "command" else {Where.ROOM: 1}), "what the media plane told it has counted"
    world.restarted(world.first, world.second)
    assert world.life() != life
    world.check()


def test_what_the_media_plane_reports_of_no_room_and_fails_is_passed_over(monkeypatch):
    world = World()
    with monkeypatch.context() as patch:
        patch.setattr("tcserver.conference.room.rooms.Rooms.worker_load", fail)
        world.driver.event(interface.WorkerLoad(0, 1.0))
    assert world.crashes() == {Where.EVENT: 1}
    world.check()


def test_of_many_rooms_only_the_one_that_fails_is_restarted(monkeypatch):
    world = World()
    broken = world.room()
    with monkeypatch.context() as patch:
        followed: list[Room] = []
        follow = lambda policy, now: fail() if policy._room is broken else followed.append(policy._room)  # noqa: E731
        patch.setattr(LastN, "camera_cap_changed", follow)
        world.driver.event(interface.Overloaded(1.0, 1.0))
    assert world.crashes() == {Where.ROOM: 1}
    assert followed == [world.room("other")]
    world.restarted(world.first, world.second)
    world.check()


def test_a_change_of_stored_rooms_that_fails_in_one_reaches_the_others(monkeypatch):
    records = tuple(RoomRecord(name, name) for name in ("room", "other"))
    world = World(rooms=records)
    broken = world.room()
    changed = [RoomRecord(name, "new") for name in ("room", "other")]
    with monkeypatch.context() as patch:
        follow = type(broken).follow
        patch.setattr(type(broken), "follow", lambda room, *args: fail() if room is broken else follow(room, *args))
        world.driver.apply(world.driver.conference.rooms_changed(changed, world.driver.now))
    assert world.crashes() == {Where.ROOM: 1}
    world.restarted(world.first, world.second)
    assert world.room("other").info.title == "new"
    world.check()


def test_an_answer_to_a_look_up_that_fails_closes_its_connection(monkeypatch):
    world = World()
    client = world.driver.client("g")
    with monkeypatch.context() as patch:
        patch.setattr("tcserver.conference.login.authenticator.Authenticator.account_found", fail)
        client.send(m.LoginBegin("g"))
    assert client.closed.code is ErrorCode.INTERNAL
    assert world.crashes() == {Where.FRAME: 1}
    world.check()


def test_the_end_of_a_server_reaches_all_rooms(monkeypatch):
    world = World()
    broken = world.room()
    with monkeypatch.context() as patch:
        close = type(broken).close
        patch.setattr(type(broken), "close", lambda room, *args: fail() if room is broken else close(room, *args))
        world.driver.apply(world.driver.conference.shutdown("", 0, world.driver.now))
    assert world.driver.conference.rooms == world.driver.conference.seats == 0
    assert not world.driver.plane.rooms
    world.driver.apply(world.driver.conference.accounts_changed(Standing({}, {}, {}), world.driver.now))
