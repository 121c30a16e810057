"""Beacons: what a publishing member tells all others end to end, every ten seconds.

Payload, big-endian::

    0       version, 1
    1-16    hash of the member set, as the sender sees it
    17-24   commitment to the sender key, zeros in a room without end-to-end encryption
    25      number of clock mappings
    then for each: stream id 2, media timestamp 4, time 8 (monotonic µs of the sender)

The mappings of one member share a clock: by them its audio and video are played in step. A payload may be longer than
this version knows; the rest is ignored.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

BEACON_INTERVAL = 10.0
"""Seconds between beacons."""
BEACON_STARTS = (0.0, 1.0, 3.0)
"""Seconds after the start of a publication: a beacon each, as one may be lost and lip-sync should not wait."""
MAX_CLOCKS = 32
"""Streams that one beacon maps: more than a member may publish."""
NO_COMMITMENT = bytes(8)
_VERSION = 1
_HEAD = Struct(">B16s8sB")
_CLOCK = Struct(">HIQ")


class ClockMapping(NamedTuple):
    """A moment of a stream, in both clocks."""

    stream: int
    timestamp: int
    """Media timestamp of the stream, u32."""
    time: int
    """Monotonic µs of the sender, u64."""


class Beacon(NamedTuple):
    """What a member tells the others."""

    member_set: bytes
    """16 bytes, see ``member_set_hash``."""
    commitment: bytes = NO_COMMITMENT
    """8 bytes, see ``SenderKey.commitment``."""
    clocks: tuple[ClockMapping, ...] = ()

    def pack(self) -> bytes:
        """Return the payload; raises ``ValueError`` for fields of a wrong size or more than ``MAX_CLOCKS`` mappings."""
        if len(self.member_set) != 16 or len(self.commitment) != 8 or len(self.clocks) > MAX_CLOCKS:
            raise ValueError("a field of the beacon is out of range")
        head = _HEAD.pack(_VERSION, self.member_set, self.commitment, len(self.clocks))
        return head + b"".join(_CLOCK.pack(*clock) for clock in self.clocks)


def parse_beacon(payload: bytes) -> Beacon:
    """Parse the payload of a beacon; raises ``ValueError`` where it is cut off or of another version."""
    if len(payload) < _HEAD.size:
        raise ValueError("beacon cut off")
    version, member_set, commitment, count = _HEAD.unpack_from(payload)
    if version != _VERSION:
        raise ValueError("beacon of another version")
    end = _HEAD.size + count * _CLOCK.size
    if count > MAX_CLOCKS or len(payload) < end:
        raise ValueError("beacon with a wrong number of clock mappings")
    clocks = tuple(ClockMapping(*clock) for clock in _CLOCK.iter_unpack(payload[_HEAD.size : end]))
    return Beacon(member_set, commitment, clocks)
