"""What a few bytes of a server, or of a hostile member, can cost a client."""

from __future__ import annotations

import tracemalloc

import pytest

from tcclient.core.keys.member_keys import BareRing
from tcclient.core.membership.lives import BoxKeys
from tcclient.core.membership.roster import OwnSeat, RoomState
from tcproto import messages as m
from tcproto.keyring import MAX_KEYS, MAX_LAYERS, KeyRing, PublicationId
from tcproto.packet import AUDIO_PADDING_STEP, AudioHeader, seal_packet
from tcproto.sender_key import OpenedBox, SenderKey

LIFE = bytes(range(16))
GHOST_LIMIT = 300_000
"""Bytes that a member can make a client keep, whatever it sends."""


def crowded(count: int = 300) -> RoomState:
    """A room with many members."""
    info = m.RoomInfo("room", LIFE, True, 1000)
    own = OwnSeat(1, "a1", "Participant 1", (1).to_bytes(32, "big"), (1).to_bytes(32, "big"), 1, bytes(64))
    state = RoomState(info, bytes(20), own, BoxKeys(), lambda info: True)
    members = tuple(
        m.Member(n, f"a{n}", "Agency", f"Participant {n}", m.Role.SPEAKER, n.to_bytes(32, "big"), n.to_bytes(32, "big"),
                 1, bytes(64), n)
        for n in range(1, count + 1)
    )  # fmt: skip
    for start in range(0, count, 48):
        page = members[start : start + 48]
        state.receive_snapshot(m.Snapshot(7, info, page, (), start + 48 >= count))
    return state


NOTHING = {
    "no change": (),
    "of a later version": (m.Change(m.ChangeKind.UNKNOWN),),
    "who left is not here": (m.Change(m.ChangeKind.MEMBER_LEFT, participant=99_999),),
    "no such publication": (m.Change(m.ChangeKind.UNPUBLISHED, participant=1, number=9),),
}


@pytest.mark.parametrize("changes", NOTHING.values(), ids=NOTHING)
def test_changes_that_change_nothing_cost_no_look_at_all_members(
    monkeypatch: pytest.MonkeyPatch, changes: tuple[m.Change, ...]
) -> None:
    state = crowded()
    looked: list[int] = []
    monkeypatch.setattr(state, "_replace", lambda *_: looked.append(1) or [])
    for number in range(10):
        assert state.receive_changes(m.RoomChanges(8 + number * len(changes), changes)) == []
    assert not looked
    assert state.number == 7 + 10 * len(changes)
    state.receive_changes(m.RoomChanges(state.number + 1, (m.Change(m.ChangeKind.MEMBER_LEFT, participant=5),)))
    assert looked


def packets(key: SenderKey | None) -> list[tuple[AudioHeader, bytes, PublicationId]]:
    """Two packets of as many publications as are tracked."""
    made = []
    for number in range(1, MAX_LAYERS + 5):
        publication = PublicationId(number, 1, 1)
        for sequence in (900, 5):
            low, generation = (key.number & 0xFF, key.generation) if key else (0, 0)
            header = AudioHeader(number, low, generation, sequence, 0)
            secret = key.publication_key(LIFE, *publication) if key else None
            made.append((header, seal_packet(header, b"x", secret, AUDIO_PADDING_STEP), publication))
    return made


@pytest.mark.no_cover  # the tracer takes memory of its own
@pytest.mark.parametrize("e2ee", [True, False])
def test_a_member_that_uses_everything_it_may_costs_little_memory(e2ee: bool) -> None:
    keys = [SenderKey(number, 0, bytes([number]) * 32) for number in range(1, MAX_KEYS + 1)] if e2ee else [None]
    sent = [packets(key) for key in keys]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    ring = KeyRing(LIFE) if e2ee else BareRing()
    opened = 0
    for key, batch in zip(keys, sent, strict=True):
        if isinstance(ring, KeyRing) and key is not None:
            ring.add(OpenedBox(key, ()), 0.0)
        for header, packet, publication in batch:
            try:
                ring.open(header, packet, publication, 0.0)
            except Exception:
                continue
            opened += 1
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert opened == 2 * MAX_LAYERS * len(keys) if e2ee else opened == 2 * (MAX_LAYERS + 4)
    assert after - before < GHOST_LIMIT
