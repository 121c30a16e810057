"""Beacons: what each member tells all others, signed by its device, every ten seconds.

The body of a packet of type beacon is bare: payload, then signature. Payload, big-endian::

    0       version, 2
    1-16    hash of the member set, as the sender sees it
    17-20   number of the sender key in use, 0 where there is none
    21      its generation
    22-53   commitment to the key at this generation, zeros where there is none
    54      number of clock mappings
    then for each: stream id 2, media timestamp 4, time 8 (monotonic µs of the sender)

The mappings of one member share a clock: by them its audio and video are played in step. A payload may be longer than
this version knows; the rest is ignored. Nothing in it is secret to the server; only the device can make it.
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
"""Seconds between beacons of one member, in rooms that are not too large for it."""
BEACON_SPACING = 1.0
"""Seconds between beacons of one member at least, whatever it has to tell."""
ROOM_BEACONS = 50
"""Beacons in a second of all members together: 6.5 ms of a receiver's time for the signatures."""
BEACON_STARTS = (0.0, 1.0, 3.0)
"""Seconds after the start of a stream or of a path: a beacon each, as one may be lost and nobody should wait."""
SILENT_INTERVALS = 3
"""Intervals without a beacon after which a member is silent: two may be lost."""
MAX_CLOCKS = 32
"""Streams that one beacon maps: more than a member may publish."""
NO_COMMITMENT = bytes(32)
_VERSION = 2
_LABEL = b"tc beacon v2\0"
_HEAD = Struct(">B16sIB32sB")
_CLOCK = Struct(">HIQ")


def beacon_interval(members: int) -> float:
    """Return the seconds between beacons of one member in a room of so many."""
    return max(BEACON_INTERVAL, members / ROOM_BEACONS)


def beacon_spacing(members: int) -> float:
    """Return the seconds that lie between two beacons of one member at least, in a room of so many."""
    return max(BEACON_SPACING, members / ROOM_BEACONS)


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
    key_number: int = 0
    """Of the sender key in use, u32; 0: none."""
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
    """The seat that a beacon is of: a signature for another seat, life or server does not hold."""

    fingerprint: bytes
    """20 bytes: the server's."""
    life: bytes
    box_key: bytes


def parse_beacon(payload: bytes) -> Beacon:
    """Parse the payload of a beacon; raises ``ValueError`` where it is cut off, out of range or of another version."""
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
