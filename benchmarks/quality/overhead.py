"""How many bytes a packet of sound costs inside UDP, beside its Opus payload: counted on the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.capture import Datagram
from tcproto.datagram import Kind


@dataclass(frozen=True)
class Overhead:
    """Of one direction, in bytes of UDP payload for each packet of sound."""

    packets: int
    """Packets of sound that the participants report."""
    speech: int
    """Datagrams of the size that nearly all packets have: constant-rate speech, one frame."""
    beside_opus: int
    """Bytes beside the payload in each of these."""
    everything: float
    """Mean over all that crossed the wire: silence that ends a talk, beacons, path checks, positions."""


def overheads(counts: Mapping[Datagram, int], reports: list[dict[str, Any]], payload: int) -> dict[str, Overhead]:
    """Return the overhead of a meeting in which nothing but sound was sent, in packets of one payload size."""
    directions = {"up": (True, Kind.UP, "sent"), "down": (False, Kind.ROOM, "received")}
    found = {}
    for name, (upward, kind, key) in directions.items():
        streams = [stream for report in reports for stream in report[key]]
        packets, useful = sum(s["packets"] for s in streams), sum(s["bytes"] for s in streams)
        sizes = Counter({d.size: number for d, number in counts.items() if d.upward == upward and d.kind == kind})
        ((size, number),) = sizes.most_common(1) or [(payload, 0)]
        whole = sum(d.size * n for d, n in counts.items() if d.upward == upward)
        found[name] = Overhead(packets, number, size - payload, (whole - useful) / packets)
    return found
