"""Beacons: what each member tells all others every ten seconds, signed by its device.

The body of a packet of type beacon is not sealed. It is the payload, then the signature. The payload, big-endian::

    0       version, 2
    1-16    hash of the member set that the sender has
    17-20   number of the sender key in use, 0 where there is none
    21      its generation
    22-53   commitment to the key at this generation, zeros where there is none
    54      number of clock mappings
    then for each: stream id 2, media timestamp 4, time 8 (monotonic µs of the sender)

All mappings of a member are in one clock, so that its audio and video can be played in step. A payload may be longer
than this version knows; the rest is ignored. Nothing in it is secret. Only the device can make it.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from tcproto.errors import CryptoFailure
from tcproto.identity import SIGNATURE_SIZE, SigningKey, verify_signature
from tcproto.packet import COMMON_HEADER_SIZE, KEY_NUMBER_BITS, PlainHeader, parse_header
from tcproto.sender_key import MAX_GENERATION
from tcproto.serial import wrapped

BEACON_INTERVAL = 10.0
"""Seconds between beacons of one member, in rooms of up to 500."""
BEACON_SPACING = 1.0
"""The least seconds between two beacons of one member, even when there is news."""
ROOM_BEACONS = 50
"""The most beacons in a second of all members together. Their signatures take 6.5 ms of a receiver's time."""
BEACON_STARTS = (0.0, 1.0, 3.0)
"""Seconds after the start of a stream or of a path at which a beacon is sent. Three, because one may be lost."""
SILENT_INTERVALS = 3
"""A member is silent after so many intervals without a beacon. Two beacons may be lost."""
MAX_CLOCKS = 32
"""The most streams in one beacon: more than a member may publish."""
NO_COMMITMENT = bytes(32)
_VERSION = 2
_LABEL = b"tc beacon v2\0"
_HEAD = Struct(">B16sIB32sB")
_CLOCK = Struct(">HIQ")


def beacon_interval(members: int) -> float:
    """Return the seconds between beacons of one member in a room of ``members``."""
    return max(BEACON_INTERVAL, members / ROOM_BEACONS)


def beacon_spacing(members: int) -> float:
    """Return the least seconds between two beacons of one member in a room of ``members``."""
    return max(BEACON_SPACING, members / ROOM_BEACONS)


class ClockMapping(NamedTuple):
    """A moment of a stream, in the clock of the stream and in that of its sender."""

    stream: int
    timestamp: int
    """Media timestamp of the stream, u32."""
    time: int
    """Monotonic µs of the sender, u64."""


class Beacon(NamedTuple):
    """The content of a beacon."""

    member_set: bytes
    """16 bytes, see ``member_set_hash``."""
    key_number: int = 0
    """Number of the sender key in use, u32; 0 where there is none."""
    generation: int = 0
    commitment: bytes = NO_COMMITMENT
    """32 bytes, see ``SenderKey.commitment``."""
    clocks: tuple[ClockMapping, ...] = ()

    def pack(self) -> bytes:
        """Return the payload; raises ``ValueError`` for fields of a wrong size or more than ``MAX_CLOCKS`` mappings."""
        if len(self.member_set) != 16 or len(self.commitment) != 32 or len(self.clocks) > MAX_CLOCKS:
            raise ValueError("a field of the beacon is out of range")
        head = _HEAD.pack(
            _VERSION, self.member_set, self.key_number, self.generation, self.commitment, len(self.clocks)
        )
        return head + b"".join(_CLOCK.pack(*clock) for clock in self.clocks)


class BeaconContext(NamedTuple):
    """The seat that sends a beacon. It is signed, so a beacon is good for one seat in one life on one server."""

    fingerprint: bytes
    """20 bytes, of the server."""
    life: bytes
    box_key: bytes


def parse_beacon(payload: bytes) -> Beacon:
    """Parse the payload of a beacon.

    Raises ``ValueError`` where it is cut off, has a field out of range, or is of another version.
    """
    if len(payload) < _HEAD.size:
        raise ValueError("beacon cut off")
    version, member_set, number, generation, commitment, count = _HEAD.unpack_from(payload)
    if version != _VERSION:
        raise ValueError("beacon of another version")
    if generation > MAX_GENERATION:
        raise ValueError("beacon with a generation that no key reaches")
    end = _HEAD.size + count * _CLOCK.size
    if count > MAX_CLOCKS or len(payload) < end:
        raise ValueError("beacon with a wrong number of clock mappings")
    clocks = tuple(ClockMapping(*clock) for clock in _CLOCK.iter_unpack(payload[_HEAD.size : end]))
    return Beacon(member_set, number, generation, commitment, clocks)


def sign_beacon(
    beacon: Beacon, stream: int, sequence: int, timestamp: int, context: BeaconContext, device: SigningKey
) -> bytes:
    """Return the packet of a beacon; ``timestamp`` is the sender's clock in µs, modulo 2**32.

    Raises ``ValueError`` as ``Beacon.pack``, ``struct.error`` for a number out of range.
    """
    header = PlainHeader(
        stream, wrapped(beacon.key_number, KEY_NUMBER_BITS), beacon.generation, sequence, timestamp
    ).pack()
    payload = beacon.pack()
    return header + payload + device.sign(_signed(context, header, payload))


def open_beacon(packet: bytes, context: BeaconContext, device_key: bytes) -> Beacon:
    """Return the beacon in a packet of that type.

    Raises ``CryptoFailure`` where the device did not sign it for this seat, ``ValueError`` where it is malformed.
    """
    header, body = packet[:COMMON_HEADER_SIZE], packet[COMMON_HEADER_SIZE:]
    payload, signature = body[:-SIGNATURE_SIZE], body[-SIGNATURE_SIZE:]
    if not verify_signature(device_key, _signed(context, header, payload), signature):
        raise CryptoFailure("the beacon is not signed by the device of its seat")
    beacon, fields = parse_beacon(payload), parse_header(packet)
    if (fields.key_number, fields.generation) != (wrapped(beacon.key_number, KEY_NUMBER_BITS), beacon.generation):
        raise ValueError("beacon with another key in its header")
    return beacon


def _signed(context: BeaconContext, header: bytes, payload: bytes) -> bytes:
    return _LABEL + context.fingerprint + context.life + context.box_key + header + payload
