"""What is given up, and the data that a meeting takes, for users and for scripts."""

from __future__ import annotations

import re
from typing import Any

from tcclient.core.downlink.cause import NOTHING, Cause
from tcclient.core.downlink.data_meter import MAX_CAP, NEAR, DataUse
from tcproto.messages import Kind

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
"""Of sizes, as contracts count them."""
CAUSES = {
    Cause.DATA_CAP: "to save data",
    Cause.NOT_SELECTED: "others have spoken later",
    Cause.BANDWIDTH: "your line is too thin",
    Cause.NO_PATH: "large datagrams do not get through",
    Cause.PUBLISHER: "no more is sent there",
}
"""Causes that are told to a user. The others are in lines of their own, or are what the user wishes."""


def in_words(kind: Kind, cause: Cause, layer: int) -> str:
    """Return what became of a track, and why."""
    if kind is Kind.AUDIO and layer != NOTHING:
        return f"sounds worse: {CAUSES[cause]}"
    if kind is Kind.AUDIO:
        return f"is not heard: {'others are louder' if cause is Cause.NOT_SELECTED else CAUSES[cause]}"
    return f"{'stopped' if layer == NOTHING else 'is smaller'}: {CAUSES[cause]}"


def parse_size(text: str, name: str) -> int:
    """Return the bytes of a size such as ``100M``; raises ``ValueError``, which says what ``name`` has to be."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kMG]?)", text)
    size = round(float(found[1]) * UNITS[found[2]]) if found else 0
    if not 0 < size <= MAX_CAP:
        raise ValueError(f"{name} is a number with k, M or G behind it, such as 100M, not {text!r}")
    return size


def figures(use: DataUse, cap: int) -> dict[str, Any]:
    """Return the figures for a script."""
    return {"up_bytes": use.up, "down_bytes": use.down, "per_hour_bytes": round(use.per_hour), "cap_bytes": cap}


def used(use: DataUse, cap: int) -> str:
    """Return the same in a line."""
    most = f", of {_megabytes(cap)}" if cap else ""
    return (
        f"data: {_megabytes(use.total)}{most} | up {_megabytes(use.up)}, down {_megabytes(use.down)} | "
        f"{_megabytes(use.per_hour)} an hour, as now"
    )


def reached(percent: int, cap: int) -> str:
    """Return what it means that so much of a cap is used; 0: it was raised."""
    if not percent:
        return "enough data is left again: all comes as you wish"
    what = "no pictures come or go any more" if percent == NEAR else "one voice comes at a time, and sound is worse"
    return f"{percent} % of {_megabytes(cap)} of data are used: {what}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
