"""What a media plane tells about itself: plain values of one moment, which may come from another process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tcserver.media.forwarding.drops import Counters
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.interface import MAX_LAG, Overloaded
from tcserver.media.lanes.lane import Weight
from tcserver.monitoring.histogram import Histogram

LATENCY_BOUNDS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Seconds that the datagrams of one batch may take; a packet of sound lasts 0.02."""
MAX_RATE = 400_000
"""Datagrams sent per second, all receivers counted: two fifths of what a core sends at best, which is in trains
(benchmarks/README.md, fanout). Without trains a core sends fewer than this, and its lag tells that it is too much."""


class Counts(NamedTuple):
    """How many rooms, seats and streams there are."""

    rooms: int
    seats: int
    proven: int
    """Seats with a proven path."""
    streams: int
    """Beacons included."""


class SeatStats(NamedTuple):
    """What the media plane knows of the path of one seat."""

    media_id: int
    host: str
    """Of the proven path; empty where there is none, so that nothing is sent to the seat."""
    sent: int
    """Datagrams that the client sent under its current key, as far as those that arrived tell."""
    received: int
    """Those of them that arrived."""


class SocketState(NamedTuple):
    """What the kernel keeps of a socket."""

    receive_queue: int
    """Bytes, with the kernel's own."""
    send_queue: int
    drops: int
    """Datagrams that came when the receive queue was full."""


@dataclass(frozen=True, slots=True)
class MediaStats:
    """One media plane at one moment."""

    counters: Counters
    kernel_sent: int
    """Datagrams that the kernel took, counted once for each receiver."""
    errors: Mapping[str, int]
    """Datagrams lost in sending, by the name of the error."""
    gave_way: Mapping[Weight, int]
    """Datagrams dropped because too many waited for a socket."""
    refused_trains: int
    """Trains that had to be taken apart for a receiver."""
    cloned: int
    """Those that the kernel took and cloned."""
    not_cloned: Mapping[str, int]
    """Those that were not cloned although the kernel is to clone, by the reason."""
    device_drops: int
    """Packets that devices of this machine had no room for, whoever sent them, while the kernel is to clone."""
    waiting: int
    """Messages that wait for a socket to become writable."""
    latency: Histogram
    """Seconds from the arrival of a batch in the process to the end of its sending."""
    rtt: Histogram
    """Seconds from the challenge of a path to its answer."""
    uplink_delay: Histogram
    """Seconds that pings took longer to come than the quickest of their seat: the jitter of the ways here."""
    sockets: tuple[SocketState, ...]
    """Empty where the kernel does not tell."""
    counts: Counts
    seats: tuple[SeatStats, ...]


def seat_stats(rooms: Collection[MediaRoom]) -> tuple[SeatStats, ...]:
    """Return the statistics of all seats of rooms."""
    return tuple(
        SeatStats(
            seat.media_id,
            "" if seat.path.address is None else seat.path.address.host,
            seat.up.sent,
            seat.up.received,
        )
        for room in rooms
        for seat in room.seats.values()
    )


def count(rooms: Collection[MediaRoom]) -> Counts:
    """Count what rooms hold."""
    seats = [seat for room in rooms for seat in room.seats.values()]
    return Counts(
        rooms=len(rooms),
        seats=len(seats),
        proven=sum(seat.path.address is not None for seat in seats),
        streams=sum(len(room.streams) for room in rooms),
    )


class LoadMeter:
    """Measures how busy a media plane is: by how much its deadlines are late, and how much it sends."""

    __slots__ = ("_lags", "_sent", "_since")

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._since = 0.0
        self._sent = 0

    def late(self, lag: float) -> None:
        """Note that a deadline was met so many seconds late."""
        self._lags.append(lag)

    def measure(self, sent: int, now: float) -> Overloaded | None:
        """Return the overload since the last call; None: there is none. ``sent`` counts from the beginning."""
        elapsed = now - self._since
        rate = (sent - self._sent) / elapsed if elapsed > 0 else 0.0
        # The least: a single hiccup, or a machine that was suspended, is no load.
        lag = min(self._lags) if len(self._lags) > 1 else 0.0
        self._lags.clear()
        self._since, self._sent = now, sent
        return Overloaded(lag, rate) if lag > MAX_LAG or rate > MAX_RATE else None
