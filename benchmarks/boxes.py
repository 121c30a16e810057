"""What boxes cost: one for a room against one for each receiver, and the two ways to libsodium."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks.load import AUDIO_BODY, VIDEO_BODY
from benchmarks.report import Cell, Table
from tcproto.datagram import Kind, pack_header, seal
from tcproto.secretbox import KEY_SIZE, NONCE_SIZE, Function, box, safe_box, safe_unbox, unbox

HEADER_AND_ITEM = 40
"""Bytes of a room datagram's plaintext in front of the packet's body, about."""
SEALED = {"audio, flood": AUDIO_BODY, "busy rooms": AUDIO_BODY, "video, 30/s": VIDEO_BODY}
"""Loads for which sealing for each receiver is computed, and the bytes of a body."""


def sealed_for_each(costs: Mapping[str, tuple[int, float]]) -> Table:
    """Return what a seal for each receiver would make of a load's cost.

    ``costs`` has the receivers and the measured µs for each datagram that arrived, with the one seal of all in it.
    """
    rows = []
    for load, (receivers, measured) in costs.items():
        one = seal_cost(SEALED[load])
        for_each = measured + one - one / receivers
        rows.append((load, receivers, one, measured, for_each, for_each / measured))
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
