"""Compares bars and costs with those of an earlier run, which ``--json`` wrote.

A figure that became worse is a regression.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.report import Bar, BenchmarkError, Cell, Cost, Table

TOLERANCE = 0.2
"""Share by which a figure may be worse, unless the user says otherwise: what two runs on one machine differ by."""
TOLD = ("system", "python", "libraries", "load", "commit")
"""What may differ, and is then told: a regression may well come from there."""


@dataclass(frozen=True)
class Baseline:
    """An earlier run, of the same benchmark with the same options on the same machine."""

    figures: Mapping[str, float]
    """Bars and costs that were measured, by what they are."""
    description: Mapping[str, str]

    def compare(
        self, bars: Sequence[Bar], costs: Sequence[Cost], machine: Mapping[str, str], tolerance: float
    ) -> Comparison:
        """Return what became of each figure; raises ``BenchmarkError`` if no figure is in both runs.

        ``tolerance`` is a share of the earlier figure, or of the limit where that figure was 0.
        """
        rows: list[tuple[Cell, ...]] = []
        worse = 0
        bars = [*bars, *(Bar(cost.what, cost.measured, cost.unit, math.inf) for cost in costs)]
        measured = {bar.what: bar for bar in bars}
        both = [bar for bar in bars if bar.measured is not None and bar.what in self.figures]
        if not both:
            raise BenchmarkError("no figure of the baseline was measured now")
        for bar in both:
            now, before = bar.measured or 0.0, self.figures[bar.what]
            change = before - now if bar.least else now - before
            verdict = "REGRESSION" if change > tolerance * abs(before or bar.limit) else "worse" if change > 0 else "ok"
            worse += verdict == "REGRESSION"
            rows.append((bar.what, before, now, bar.unit, 100 * (now - before) / before if before else None, verdict))
        for what, before in self.figures.items():
            if what not in measured or measured[what].measured is None:
                rows.append((what, before, None, "", None, "not measured now"))
        columns = ("what", "baseline", "now", "unit", "change %", "verdict")
        table = Table(f"Against the baseline, tolerance {tolerance:.0%}", columns, rows)
        told = [
            f"{name}: {self.description.get(name, 'unknown')} in the baseline, {machine[name]} now"
            for name in TOLD
            if name in machine and machine[name] != self.description.get(name)
        ]
        return Comparison("\n".join([table.text(), *told]), worse)


@dataclass(frozen=True)
class Comparison:
    """The text for the user, and the number of figures that became worse by more than is tolerated."""

    text: str
    regressions: int


def load(path: Path, name: str, options: Mapping[str, Any], machine: Mapping[str, str]) -> Baseline:
    """Return an earlier run; raises ``OSError``, and ``BenchmarkError`` where it cannot be compared with one now."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        told = [*found["bars"], *found.get("costs", ())]
        figures = {figure["what"]: float(figure["measured"]) for figure in told if figure["measured"] is not None}
        facts = {"benchmark": name, "machine": machine["machine"], "options": plain(options)}
        differing = next(((key, found[key], now) for key, now in facts.items() if found[key] != now), None)
        description = {key: str(found[key]) for key in TOLD}
    except (ValueError, TypeError, KeyError):
        raise BenchmarkError(f"{path}: not written by --json of a benchmark") from None
    if differing is not None:
        key, before, now = differing
        another = "other" if key == "options" else "another"
        raise BenchmarkError(f"{path}: {another} {key}, so it cannot be compared: {_differences(before, now)}")
    return Baseline(figures, description)


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as they come back from JSON."""
    found: dict[str, Any] = json.loads(json.dumps(dict(options), default=str))
    return found


def _differences(before: Any, now: Any) -> str:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{before} then, {now} now"
    names = [name for name in sorted(before.keys() | now) if before.get(name) != now.get(name)]
    return "; ".join(f"--{name}: {_value(before.get(name))} then, {_value(now.get(name))} now" for name in names)


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "given" if value else "not given"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
