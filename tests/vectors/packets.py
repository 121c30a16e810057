"""Vectors of packets and of the beacons in them."""

from __future__ import annotations

from tcproto import packet
from tcproto.beacon import Beacon, sign_beacon
from tcproto.packet import AudioHeader, PlainHeader, VideoHeader
from tests.vectors.inputs import (
    AUDIO_HEADER,
    AUDIO_KEY,
    BEACON,
    BEACON_SEAT,
    BOX_PUBLIC,
    DEVICE,
    FINGERPRINT,
    LIFE,
    SILENT_HEADER,
    VIDEO_KEY,
)
from tests.vectors.plain import Vectors, plain


def packets() -> list[Vectors]:
    payload = bytes(range(0x40, 0x40 + 50))
    cases: list[tuple[str, packet.Header, bytes, bytes | None, int]] = [
        ("audio", AUDIO_HEADER, payload, AUDIO_KEY, 16),
        ("audio bare", AUDIO_HEADER._replace(key_number=0), payload, None, 16),
        (
            "audio end of talk, comfort, 60 ms",
            SILENT_HEADER,
            b"",
            AUDIO_KEY,
            16,
        ),
        (
            "video keyframe, first of two packets",
            VideoHeader(0x0102, 3, 0, 9, 0x00015F90, 500, 0, 2, keyframe=True, spatial=1, reference=0),
            bytes(1102),
            VIDEO_KEY,
            1,
        ),
        (
            "video, discardable",
            VideoHeader(0x0102, 3, 0, 11, 0x000180DC, 501, 0, 1, discardable=True, spatial=1, temporal=2, reference=1),
            payload,
            VIDEO_KEY,
            1,
        ),
        ("unknown type 9", PlainHeader(0x0104, 0, 0, 1, 0, 9), b"future", None, 1),
    ]  # fmt: skip
    return [
        {
            "name": name,
            "type": packet_type(header),
            "header": plain(header),
            "payload": payload.hex(),
            "key": plain(sealing),
            "step": step,
            "packet": packet.seal_packet(header, payload, sealing, step).hex(),
        }
        for name, header, payload, sealing, step in cases
    ]


def beacons() -> Vectors:
    silent = Beacon(bytes(range(16, 32)))
    large = BEACON._replace(key_number=0x01020304, generation=250)
    return plain(
        {
            "fingerprint": FINGERPRINT,
            "life": LIFE,
            "box_public": BOX_PUBLIC,
            "device_seed": DEVICE.seed,
            "device_public": DEVICE.public,
            "beacons": [
                {
                    "name": name,
                    "stream": 0x0203,
                    "sequence": sequence,
                    "timestamp": 0x2A05F200,
                    "beacon": beacon,
                    "packet": sign_beacon(beacon, 0x0203, sequence, 0x2A05F200, BEACON_SEAT, DEVICE),
                }
                for sequence, (name, beacon) in enumerate(
                    [("of a publisher", BEACON), ("without a key", silent), ("late generation", large)]
                )
            ],
        }
    )


def packet_type(header: packet.Header) -> int:
    """The type nibble of a packet with this header."""
    match header:
        case AudioHeader():
            return packet.PacketType.AUDIO
        case VideoHeader():
            return packet.PacketType.VIDEO
        case _:
            return header.type
