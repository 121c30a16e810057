"""Sequences of counters, and which of them a replay window accepts."""

from __future__ import annotations

from typing import Any

from tcproto.replay import SEALER_WINDOW, SEQUENCE_WINDOW, SESSION_WINDOW, ReplayWindow, Verdict

_SESSION: list[int | str] = [
    0,
    0,
    2,
    1,
    1,
    1030,
    6,
    7,
    7,
    1029,
    1030,
    5000,
    3976,
    3977,
    1029,
    2**48 - 1,
    2**48 - 1,
    5000,
    2**48 - 1024,
]
_SEALER: list[int | str] = [
    999,
    1000,
    1001,
    1000,
    9191,
    9192,
    1002,
    1003,
    "1000",
    "9192",
    9192,
    9193,
    1003,
    1004,
    17383,
    17384,
    9190,
]
"""A text is a position of the sealer, from a room key or a down datagram."""
_PUBLICATION: list[int | str] = [16, 17, 18, 17, 1041, 17, 18, 1042, 18, 19, 2**32 - 1, 1042]


def make() -> dict[str, Any]:
    """One window of each kind; ``lowest`` is the lowest valid counter, ``confirmed`` null where there is no ceiling."""
    return {
        "windows": [
            _window("a session key", SESSION_WINDOW, 0, None, _SESSION),
            _window("a room key", SEALER_WINDOW, 1000, 1000, _SEALER),
            _window("sequence numbers of a publication", SEQUENCE_WINDOW, 17, None, _PUBLICATION),
        ]
    }


def _window(name: str, size: int, lowest: int, confirmed: int | None, told: list[int | str]) -> Any:
    window = ReplayWindow(size, lowest, confirmed)
    steps: list[dict[str, int | bool]] = []
    for step in told:
        if isinstance(step, str):
            window.confirm(int(step))
            steps.append({"position": int(step)})
            continue
        accepted = window.check(step) is Verdict.NEW
        if accepted:
            window.commit(step)
        steps.append({"counter": step, "accepted": accepted})
    return {"name": name, "size": size, "lowest": lowest, "confirmed": confirmed, "steps": steps}
