"""A ring of keys against a plain model of it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcproto.keyring import (
    MAX_KEYS,
    MAX_SKIPPED_GENERATIONS,
    SENDER_KEY_OVERLAP,
    KeyRing,
)
from tcproto.packet import AudioHeader, Header, parse_header
from tcproto.replay import SEQUENCE_WINDOW
from tcproto.sender_key import MAX_GENERATION, OpenedBox, SenderKey
from tests.support.key_ring import LIFE, NOW, opened, refused, sealed, sender_key


class Model(RuleBasedStateMachine):
    """A sender, a network that reorders, repeats and forges, and a ring that is to agree with a plain model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.ring = KeyRing(LIFE)
        self.key = sender_key(0)
        self.ring.add(OpenedBox(self.key, ()), self.now)
        self.sequence = 0
        self.packets: list[tuple[SenderKey, int, bytes, bytes]] = []
        self.delivered: set[tuple[int, int]] = set()
        self.replaced_at: dict[int, float] = {}
        self.newest = {0: 0}
        self.oldest = {0: 0}
        self.oldest_until = {0: 0.0}

    @rule()
    def send(self) -> None:
        payload = self.sequence.to_bytes(4, "big")
        self.packets.append((self.key, self.sequence, sealed(self.key, self.sequence, payload), payload))
        self.sequence += 1

    @rule(steps=st.sampled_from([1, 1, 1, 2, 9]))
    def somebody_joins(self, steps: int) -> None:
        if self.key.generation + steps <= MAX_GENERATION:
            self.key = self.key.ratcheted(self.key.generation + steps)

    @rule(step=st.sampled_from([1, 1, 1, 2, 256]))
    def somebody_leaves(self, step: int) -> None:
        number = self.key.number + step
        self.replaced_at[self.key.number] = self.now
        self.key = sender_key(number)
        assert self.ring.add(OpenedBox(self.key, ()), self.now)
        assert not self.ring.add(OpenedBox(self.key, ()), self.now)
        self.newest[number] = self.oldest[number] = 0
        self.oldest_until[number] = 0.0

    @rule(seconds=st.sampled_from([0.5, 3.0, SENDER_KEY_OVERLAP / 2, SENDER_KEY_OVERLAP]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.packets)
    @rule(data=st.data())
    def a_packet_comes(self, data: st.DataObject) -> None:
        # Any packet ever sent, in any order, any number of times; mostly the latest.
        last = len(self.packets) - 1
        index = data.draw(st.integers(0, last) | st.integers(max(0, last - 2), last))
        key, sequence, packet, payload = self.packets[index]
        if self._opens(key, sequence):
            assert opened(self.ring, packet, self.now) == payload
            self._learn(key, sequence)
        else:
            refused(self.ring, packet, self.now)

    @precondition(lambda self: self.packets)
    @rule(data=st.data(), generation=st.integers(0, 255), sequence=st.integers(0, 2**32 - 1))
    def a_forgery_comes(self, data: st.DataObject, generation: int, sequence: int) -> None:
        key, _, packet, _ = data.draw(st.sampled_from(self.packets))
        header: Header = AudioHeader(9, key.number & 255, generation, sequence, 0)
        true = parse_header(packet)
        if header[:4] != true[:4]:
            refused(self.ring, header.pack() + packet[len(header.pack()) :], self.now)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert sum(map(self.ring.knows, self.newest)) <= MAX_KEYS
        assert self.ring.knows(self.key.number)

    def _opens(self, key: SenderKey, sequence: int) -> bool:
        number, generation, _ = key
        if number not in sorted(self.newest)[-MAX_KEYS:] or self._expired(number):
            return False
        if any(n > number and n & 255 == number & 255 and not self._expired(n) for n in self.newest):
            return False
        highest = max((s for n, s in self.delivered if n == number), default=-1)
        if (number, sequence) in self.delivered or sequence <= highest - SEQUENCE_WINDOW:
            return False
        if generation >= self.newest[number]:
            return generation <= self.newest[number] + MAX_SKIPPED_GENERATIONS
        return generation >= self.oldest[number] and self.now < self.oldest_until[number]

    def _expired(self, number: int) -> bool:
        return self.now >= self.replaced_at.get(number, self.now) + SENDER_KEY_OVERLAP

    def _learn(self, key: SenderKey, sequence: int) -> None:
        number, generation, _ = key
        self.delivered.add((number, sequence))
        if generation > self.newest[number]:
            if self.now >= self.oldest_until[number]:
                self.oldest[number] = self.newest[number]
            self.newest[number] = generation
            self.oldest_until[number] = self.now + SENDER_KEY_OVERLAP


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
