"""What can be read from coded pictures without a decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

Codec = Literal["vp8", "h264"]


def holds_keyframe(codec: Codec, data: bytes) -> bool:
    """Return whether a decoder can begin with these coded bytes (RFC 7741, section 4.3; H.264, table 7-1)."""
    if codec == "vp8":
        return len(data) > 0 and not data[0] & 1
    return any(unit[0] & 31 == 5 for unit in nal_units(data))


def nal_units(data: bytes) -> Iterator[bytes]:
    """Split an H.264 access unit in Annex B form into its non-empty NAL units, without start codes."""
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        start = end
