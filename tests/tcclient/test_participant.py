"""Participants as programs see them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tcclient.core import events
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.errors import WrongValue
from tcclient.participant import MAX_VOLUME, ROLES, Participant
from tcproto.messages import Kick, Member, Role, SetRole

MEMBER = Member(7, "dinkes", "Dinas", "Sri", Role.SPEAKER, b"d" * 32, b"b" * 32, 0, bytes(64), 1)


class Server:
    """Keeps the requests that it gets."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def ask(self, message: Any) -> None:
        self.asked.append(message)


def made(server: Server | None = None, *, verified: bool = True) -> Participant:
    return Participant(RosterEntry(MEMBER, verified), (server or Server()).ask)


def test_it_shows_what_the_roster_says() -> None:
    who = made()
    assert (who.id, who.account, who.label, who.role) == (7, "dinkes", "Dinas / Sri", Role.SPEAKER)
    assert (who.verified, who.device_key, who.is_me) == (True, b"d" * 32, False)
    assert repr(who) == "<Participant Dinas / Sri (00000007)>"
    who.update(RosterEntry(replace(MEMBER, role=Role.CHAIR), verified=False))
    assert (who.role, who.verified) == (Role.CHAIR, False)


@pytest.mark.parametrize(
    ("event", "mark", "value"),
    [
        (events.MemberSilent(7), "silent", True),
        (events.MemberHeard(7), "silent", False),
        (events.MembershipMismatch(7), "mismatch", True),
        (events.MembershipAgreed(7), "mismatch", False),
        (events.CommitmentMismatch(7), "key_mismatch", True),
    ],
)
def test_a_beacon_sets_one_mark(event: Any, mark: str, value: bool) -> None:
    who = made()
    setattr(who, mark, not value)
    others = {"silent", "mismatch", "key_mismatch"} - {mark}
    before = {name: getattr(who, name) for name in others}
    who.mark(event)
    assert getattr(who, mark) is value
    assert {name: getattr(who, name) for name in others} == before


def test_a_missing_text_is_no_mark() -> None:
    who = made()
    who.mark(events.TextMissing(7))
    assert (who.silent, who.mismatch, who.key_mismatch) == (False, False, False)


def test_moderation_asks_the_server() -> None:
    server = Server()
    who = made(server)
    asyncio.run(who.kick("late"))
    asyncio.run(who.set_role("listener"))
    asyncio.run(who.set_role(Role.CHAIR))
    assert server.asked == [Kick(7, "late"), SetRole(7, Role.LISTENER), SetRole(7, Role.CHAIR)]


@pytest.mark.parametrize("role", ["king", "", "unknown", Role.UNKNOWN])
def test_what_is_no_role_is_not_asked_for(role: str) -> None:
    server = Server()
    with pytest.raises(WrongValue, match="is no role; there are"):
        asyncio.run(made(server).set_role(role))
    assert not server.asked
    assert role not in ROLES


def test_a_volume_is_set_within_its_range() -> None:
    who = made()
    assert who.volume == 1.0
    for volume in (0, 0.5, MAX_VOLUME):
        who.volume = volume
        assert who.volume == volume


@pytest.mark.parametrize("volume", [-0.01, MAX_VOLUME + 0.01, float("nan"), float("inf"), "loud", None])
def test_a_volume_that_cannot_be_is_refused_and_changes_nothing(volume: Any) -> None:
    who = made()
    who.volume = 1.5
    with pytest.raises(WrongValue, match="a volume is from 0 to 2"):
        who.volume = volume
    assert who.volume == 1.5
