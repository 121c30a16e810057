"""Figures in the text of PROTOCOL.md are those of the code, and its parts are where it says."""

from __future__ import annotations

import re

import av

from tcclient.video.codec import VideoEncoder
from tcproto.datagram import ItemType
from tcserver.conference.permissions import ROLE_PERMISSIONS
from tests.documents.reader import PROTOCOL, text_of

TEXT = text_of(PROTOCOL)


def test_the_bits_of_the_roles() -> None:
    table = TEXT[TEXT.index("| role | may | bits |") :]
    told: dict[str, int] = {}
    for names, bits in re.findall(r"^\| ([a-z, ]+) \|.*\| (0x[0-9a-f]{4}) \| \d \|$", table, re.MULTILINE):
        told |= dict.fromkeys(names.split(", "), int(bits, 16))
    assert told == {str(role): int(permissions) for role, permissions in ROLE_PERMISSIONS.items()}


def test_reserved_items_have_their_values_in_the_appendix_alone() -> None:
    before, appendix = TEXT.split("\n## A Reserved\n")
    reserved = set(re.findall(r"^\| \d+ \| ([A-Z_]+) \|.*Reserved", before, re.MULTILINE)) & {*ItemType.__members__}
    assert "NOT_SENT" in reserved
    for item in reserved:
        row = f"\n| {item.lower().replace('_', ' ')} | "
        assert row not in before
        assert row in appendix


def test_the_profile_of_the_pictures() -> None:
    high = 100
    assert "this project's client sends High" in " ".join(TEXT.split())
    encoder = VideoEncoder("h264", 64, 64, 15, 100_000)
    data = encoder.encode(av.VideoFrame(64, 64, "yuv420p"), timestamp=0, keyframe=True).data
    assert data[data.index(b"\0\0\1\x67") + 4] == high
