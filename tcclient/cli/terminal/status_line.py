"""The line at the bottom of the terminal: who speaks, what we send, and the state of the network."""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.cli.terminal.columns import cells, fit
from tcproto.foreign import visible

SEPARATOR = " | "
LEAST_FOR_SPEAKERS = 30
"""Columns that are kept for the names of speakers. Less important parts are left out first."""


@dataclass(frozen=True, slots=True)
class Status:
    """The content of the status line."""

    microphone: str = "off"
    camera: str = "off"
    path: str = "UDP unknown"
    """The way of the datagrams, and its state."""
    loss_up: float = 0.0
    """Percent in the last seconds."""
    loss_down: float = 0.0
    rtt_ms: float | None = None
    here: int = 0
    speaking: tuple[str, ...] = ()
    """Labels, as their owners wrote them."""


def status_line(status: Status, columns: int) -> str:
    """Return the line, at most ``columns`` wide. At 80 columns all but the count and the round trip time is shown."""
    needed = [
        f"mic {status.microphone}, cam {status.camera}",
        status.path,
        f"loss up {_percent(status.loss_up)} down {_percent(status.loss_down)}",
    ]
    spare = [f"{status.here} here"]
    if status.rtt_ms is not None:
        spare.append(f"RTT {status.rtt_ms:.0f} ms")
    while spare and _left(needed + spare, columns) < LEAST_FOR_SPEAKERS:
        spare.pop()
    fixed = needed + spare
    return fit(SEPARATOR.join([*fixed, _speakers(status.speaking, _left(fixed, columns))]), columns)


def _left(parts: list[str], columns: int) -> int:
    return columns - cells(SEPARATOR.join([*parts, ""]))


def _percent(share: float) -> str:
    return f"{share:.0f}%" if share >= 10 else f"{share:.1f}%"


def _speakers(labels: tuple[str, ...], columns: int) -> str:
    """Return who speaks: as many names as fit, and how many more speak."""
    if not labels:
        return "speaking: nobody"
    names = [visible(label) for label in labels]
    for count in range(len(names), 0, -1):
        more = f" +{len(names) - count}" if count < len(names) else ""
        text = "speaking: " + ", ".join(names[:count]) + more
        if cells(text) <= columns:
            return text
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return fit(f"speaking: {names[0]}", columns - len(more)) + more
