"""The surroundings of simulated clients: one clock, one server, and all chance from one seed."""

from __future__ import annotations

import random
from hashlib import blake2b
from itertools import count
from typing import Any

from tests.support.conference.settings import settings
from tests.support.simulation.clock import Clock
from tests.support.simulation.server import Server


class Surroundings:
    """A server in virtual time, the same again from the same seed; ``changes`` are of its settings."""

    def __init__(self, seed: int, **changes: Any) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = Clock()
        # A client that vanishes leaves at once, unless a test is about those who come back.
        self.server = Server(self.clock, self.rng, settings(**{"limits__resume_s": 0.0, **changes}))
        self.names: dict[int, str] = {}
        """By participant, of all seats that there were."""
        self.spoken: dict[tuple[int, int, int, int], bytes | None] = {}
        """What was sent, by participant, publication, layer and sequence number; None for a part of a picture."""
        self.voices: dict[int, set[bytes]] = {}
        """What was sent at both rates of a microphone, by participant. Who hears it numbers the packets anew."""
        self._trace = blake2b(digest_size=16)
        self._ports = count(40_000)

    @property
    def now(self) -> float:
        """Virtual time, seconds."""
        return self.clock.now

    def new_address(self, host: str) -> tuple[str, int]:
        """Return an address at a host that nobody has had."""
        return host, next(self._ports)

    def note(self, payload: bytes, *facts: object) -> None:
        """Put a delivery into the trace, with what is to be known of it."""
        self._trace.update(repr((self.now, facts)).encode())
        self._trace.update(payload)

    def trace(self) -> str:
        """Return a hash of all deliveries so far, with their times."""
        return self._trace.hexdigest()
