"""What boxes cost: one for a room against one for each receiver, and the two ways to libsodium."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.harness.load import AUDIO_BODY, VIDEO_BODY
from benchmarks.harness.report import Cell, Cost, Table
from tcproto.datagram import Kind, pack_header, seal
from tcproto.secretbox import KEY_SIZE, NONCE_SIZE, Function, box, safe_box, safe_unbox, unbox

HEADER_AND_ITEM = 40
"""Bytes of a room datagram's plaintext in front of the packet's body, about."""
SEALED = {"audio, flood": AUDIO_BODY, "busy rooms": AUDIO_BODY, "video, 30/s": VIDEO_BODY}
"""Loads for which sealing for each receiver is computed, and the bytes of a body."""


class Sealed(NamedTuple):
    """What a load costs for each datagram that arrived, in µs of processor."""

    load: str
    receivers: int
    one: float
    """A seal, measured alone."""
    for_room: float
    """As measured, with the one seal of all in it."""

    @property
    def for_each(self) -> float:
        """With a seal for each receiver."""
        return self.for_room + self.one - self.one / self.receivers

    @property
    def cost(self) -> Cost:
        """The same for an earlier run to judge."""
        return Cost(f"{self.load}, a seal for each receiver", self.for_each, "us")


def sealed(costs: Mapping[str, tuple[int, float]]) -> list[Sealed]:
    """Measure the seal of each load; ``costs`` has the receivers and the measured µs for each datagram by load."""
    return [Sealed(load, receivers, seal_cost(SEALED[load]), measured) for load, (receivers, measured) in costs.items()]


def table(found: Sequence[Sealed]) -> Table:
    """Return what a seal for each receiver would make of a load's cost."""
    rows = [(*one, one.for_each, one.for_each / one.for_room) for one in found]
    columns = ("load", "receivers", "one seal us", "sealed for the room us", "for each receiver us", "ratio")
    return Table(
        "CPU for each datagram that arrived, the seal measured alone, the last two columns computed", columns, rows
    )


def seal_cost(body: int) -> float:
    """Return the µs of processor that sealing a packet with a body of so many bytes takes."""
    key, plaintext = os.urandom(KEY_SIZE), os.urandom(HEADER_AND_ITEM + body)
    return cost(lambda n: seal(pack_header(Kind.ROOM, 0, 1, n), plaintext, key))


def bindings() -> Table:
    """Return what a box costs by PyNaCl's binding of the C functions, and by its public functions."""
    key, nonce = os.urandom(KEY_SIZE), os.urandom(NONCE_SIZE)
    rows: list[tuple[Cell, ...]] = []
    for what, body in (("audio", AUDIO_BODY), ("video", VIDEO_BODY)):
        plaintext = os.urandom(HEADER_AND_ITEM + body)
        sealed = box(plaintext, nonce, key)
        for verb, data, functions in (("seal", plaintext, (box, safe_box)), ("open", sealed, (unbox, safe_unbox))):
            binding, public = (cost(_repeatedly(function, data, nonce, key)) for function in functions)
            rows.append((f"{verb}, {what}", len(plaintext), binding, public, public / binding))
    columns = ("box", "bytes in it", "binding us", "public us", "ratio")
    return Table("CPU of a box, measured alone: PyNaCl's own binding, and its public functions", columns, rows)


def _repeatedly(function: Function, data: bytes, nonce: bytes, key: bytes) -> Callable[[int], object]:
    return lambda _: function(data, nonce, key)


def cost(work: Callable[[int], object], times: int = 1000, repeats: int = 7) -> float:
    """Return the µs of processor that something takes in a loop; the median of many rounds."""
    rounds = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        for n in range(times):
            work(n)
        rounds.append((time.thread_time_ns() - start) / times / 1000)
    return statistics.median(rounds)
