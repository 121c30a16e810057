"""The figures of the network, for scripts and for users."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tcclient.audio.jitter_statistics import JitterStatistics
from tcclient.core.media.quality import Advice
from tcclient.core.path.proof import Way
from tcclient.core.path.statistics import DirectionStatistics, NetworkStatistics
from tcclient.core.rate.allocation import SendingLimit

Figures = dict[str, Any]
"""Values that JSON has; those that end in ``_ms`` are milliseconds, None until measured."""


def figures(network: NetworkStatistics, playout: Collection[JitterStatistics] | None = None) -> Figures:
    """Return the figures for a script. ``playout`` has the counts of each voice that is played, if any is."""
    found: Figures = {
        "path": str(network.path),
        "way": str(network.way),
        "rtt_ms": _milliseconds(network.rtt),
        "rtt_jitter_ms": round(network.rtt_jitter * 1000, 1),
        "control_rtt_ms": _milliseconds(network.control_rtt),
        **_direction("up", network.up),
        **_direction("down", network.down),
        "packets": network.down.packets - network.down.lost,
    }
    if playout is not None:
        found["concealed_ms"] = round(sum(counts.concealed_ms for counts in playout))
        found["delay_ms"] = round(max((counts.delay_ms for counts in playout), default=0.0))
    return found


def path_in_words(way: str, state: str) -> str:
    """Return how the path is doing, such as ``UDP ok``."""
    return f"{'UDP' if way == Way.UDP else way} {state}"


ADVICE = {
    Advice.CAMERA_OFF: "your connection is poor on the way to the server: turn the camera or the screen off",
    Advice.UPLINK: "your connection is poor on the way to the server: others hear you badly; try another network",
    Advice.FEWER_PICTURES: "your connection is poor on the way from the server: watch fewer pictures, or none",
    Advice.DOWNLINK: "your connection is poor on the way from the server: you hear others badly; try another network",
    Advice.DELAY: "your connection takes long: wait a moment after others have spoken, before you begin",
    None: "your connection is not poor any more",
}
"""Advice in words for a user."""
LIMITS = {
    SendingLimit.UPLINK: "your way to the server is thin: your sound or pictures are sent with fewer bits",
    SendingLimit.SERVER: "the server accepts no more: your sound or pictures are sent with fewer bits",
    None: "your sound and pictures are sent as they should be again",
}
"""What limits us, in words for a user."""


def full(found: Figures) -> str:
    """Return all figures in a line."""
    ways = [
        f"{way}: loss {found[f'loss_{way}_percent']:.1f} %, of late {found[f'loss_{way}_recent_percent']:.1f} %, "
        f"jitter {_told(found[f'jitter_{way}_ms'])}, {found[f'reordered_{way}']} reordered, "
        f"{found[f'late_{way}']} late, score {_scored(found[f'score_{way}'])}"
        for way in ("up", "down")
    ]
    trips = f"RTT {_told(found['rtt_ms'])}, control {_told(found['control_rtt_ms'])}"
    return " | ".join((path_in_words(found["way"], found["path"]), trips, *ways))


def _direction(way: str, counts: DirectionStatistics) -> Figures:
    return {
        f"loss_{way}_percent": round(100 * counts.loss, 2),
        f"loss_{way}_recent_percent": round(100 * counts.recent_loss, 2),
        f"jitter_{way}_ms": round(counts.jitter_ms, 1),
        f"reordered_{way}": counts.reordered,
        f"late_{way}": counts.late,
        f"score_{way}": None if counts.score is None else round(counts.score, 2),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _told(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.0f} ms"


def _scored(score: float | None) -> str:
    return "-" if score is None else f"{score:.1f} of 4.5"
