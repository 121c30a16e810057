"""The policies of a room: every policy gets every event, and a new one is a class and a place in the list."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tcproto import messages as m
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Join, Publish, Role, Source
from tcserver.conference.login.connection import Request
from tcserver.conference.policy import POLICIES
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import Overloaded, SealerRekeyDue, SpeakersChanged
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code

METHODS = {name for name in vars(RoomPolicy) if not name.startswith("_")}


class Floor(RoomPolicy):
    """One participant at a time has the floor: a new speaker takes the microphone from the one before."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._holder = 0

    def check_publish(self, seat: Seat, message: Publish) -> None:
        if message.source is Source.MICROPHONE and self._holder not in (0, seat.participant):
            raise Refusal(ErrorCode.NOT_PERMITTED, "somebody else has the floor")

    def published(self, stream, now: float) -> None:
        if stream.info.source is Source.MICROPHONE:
            self._holder = stream.seat.participant

    def unpublished(self, stream, now: float) -> None:
        if stream.seat.participant == self._holder:
            self._holder = 0

    def left(self, seat: Seat, now: float) -> None:
        if seat.participant == self._holder:
            self._holder = 0

    def role_given(self, seat: Seat, role: Role, rank: int, now: float) -> None:
        """A new chair takes the floor from its holder."""
        holder = self._room.seats.get(self._holder)
        if role is Role.CHAIR and holder is not None:
            for number in list(holder.publications):
                self._room.unpublish(holder, number, now)


class Lobby(RoomPolicy):
    """Only accounts on a list may enter, and participants that entered by mistake are removed."""

    def __init__(self, guests: set[str], room: Room) -> None:
        self._guests = guests
        self._room = room

    def check_join(self, request: Request[Join]) -> None:
        if request.session.account.name not in self._guests:
            raise Refusal(ErrorCode.NOT_PERMITTED, "wait until you are let in")

    def spoke(self, participants, now: float) -> None:
        for participant in participants:
            seat = self._room.find(participant)
            if seat.session.account.name == "mistake":
                self._room.evict(seat, now, ErrorCode.KICKED, "a mistake")


def test_a_floor_is_one_class_and_one_place_in_the_list():
    driver = Driver(policies=(*POLICIES, Floor))
    first, second = driver.participant(account="a"), driver.participant(account="b")
    held = first.publish()
    assert isinstance(held, m.Published)
    refused = second.publish()
    assert (error_code(refused), refused.text) == (ErrorCode.NOT_PERMITTED, "somebody else has the floor")
    assert isinstance(second.publish(Source.CAMERA), m.Published)
    first.ask(m.Unpublish(held.number))
    assert isinstance(second.publish(), m.Published)
    assert error_code(first.publish()) is ErrorCode.NOT_PERMITTED
    second.drop()
    assert isinstance(first.publish(), m.Published)
    third = driver.participant(account="c")
    first.ask(m.SetRole(third.participant, Role.CHAIR))
    driver.advance(1)
    assert not third.view.publications, "the policy has used a method of its room"
    assert isinstance(third.publish(), m.Published)
    driver.check()


def test_a_lobby_is_one_class_and_one_place_in_the_list():
    driver = Driver(policies=(*POLICIES, partial(Lobby, {"a", "mistake"})))
    driver.participant(account="a")
    mistake = driver.participant(account="mistake")
    refused = driver.user("b").enter()
    assert (error_code(refused), refused.text) == (ErrorCode.NOT_PERMITTED, "wait until you are let in")
    driver.event(SpeakersChanged(1, (mistake.participant,), (), mistake.participant))
    (evicted,) = mistake.got(m.Evicted)
    assert (evicted.code, evicted.text) == (ErrorCode.KICKED, "a mistake")
    driver.check()


def recording(log: list[str], room: Room) -> RoomPolicy:
    """A policy that notes what it is told."""

    def note(name: str) -> Callable[..., None]:
        return lambda policy, *args: log.append(name)

    return type("Recording", (RoomPolicy,), {name: note(name) for name in METHODS})()


def test_every_policy_is_told_everything():
    log: list[str] = []
    told: set[str] = set()
    driver = Driver(rooms=(RoomRecord("room", "Room"),), policies=(*POLICIES, partial(recording, log)))
    driver.user().ask(m.OpenRoom("room", True))
    assert log == ["worker_added"]
    told.update(log)
    log.clear()
    first, second = driver.participant(account="a"), driver.participant(account="b")
    assert log == 2 * ["check_join", "opening", "admitted", "entered"]
    told.update(log)
    log.clear()
    published = first.publish()
    first.ask(m.Unpublish(published.number))
    assert log == ["check_publish", "published", "unpublished"]
    told.update(log)
    log.clear()
    driver.add_account("admin", role=Role.ADMIN)
    admin = driver.participant(account="admin")
    admin.ask(m.SetRole(second.participant, Role.CHAIR))
    admin.ask(m.MuteOther(second.participant, Source.MICROPHONE, True, True))
    second.ask(m.Leave())
    assert log == ["check_join", "opening", "admitted", "entered", "role_given", "source_held", "left"]
    told.update(log)
    log.clear()
    driver.event(SpeakersChanged(1, (first.participant,), (), first.participant))
    driver.event(SealerRekeyDue(1, driver.plane.sealers[1][0][0].sealer))
    driver.event(Overloaded(1.0, 1.0))
    admin.ask(m.UpdateRoom(title="Rapat"))
    driver.replace_worker()
    media = ["spoke", "rekey_due", "camera_cap_changed"]
    assert log == [*media, "settings_changed", "worker_replaced", "opening", "opening", "restarted", "spoke"]
    told.update(log)
    log.clear()
    admin.ask(m.CloseRoom())
    assert log == ["closed"]
    assert told | set(log) == METHODS


class ShortStay(RoomPolicy):
    """Removes everybody that comes after the first."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def entered(self, seat: Seat, now: float) -> None:
        if len(self._room.seats) > 1:
            self._room.evict(seat, now, ErrorCode.KICKED, "one at a time")


def test_a_policy_may_send_away_who_has_just_entered():
    driver = Driver(policies=(*POLICIES, ShortStay))
    first, second = driver.participant(account="a"), driver.participant(account="b")
    driver.advance(1)
    (evicted,) = second.got(m.Evicted)
    assert (evicted.code, evicted.text) == (ErrorCode.KICKED, "one at a time")
    assert first.view.members.keys() == {first.participant}
    assert [event.name for event in driver.logged if event.fields.get("account") == "b"][-2:] == ["joined", "left"]
    driver.check()
