"""What a benchmark found: tables, bars that it has to reach, and all figures for scripts."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

MARGIN = 1.05
"""Length of an axis, of the greatest value."""
Cell = str | int | float | None


class BenchmarkError(Exception):
    """The benchmark cannot be run here; the text is for the user."""


class Missing(BenchmarkError):
    """This machine lacks something that the benchmark needs."""


def progress(benchmark: str) -> Callable[[str], None]:
    """Return what tells on standard error how far a benchmark is."""
    return lambda text: print(f"{benchmark}: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Table:
    """Rows under named columns; a unit belongs into the name of its column."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]

    def text(self) -> str:
        """Return the table with aligned columns: words to the left, numbers to the right."""
        rows = [self.columns, *(tuple(_text(cell) for cell in row) for row in self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.columns))]
        left = [all(isinstance(row[i], str) for row in self.rows) for i in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) if to_left else cell.rjust(width) for cell, width, to_left in cells).rstrip()
            for cells in (zip(row, widths, left, strict=True) for row in rows)
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.title, *lines])


@dataclass(frozen=True)
class Bar:
    """A figure that has to stay at or below a limit, or at or above it if ``least``.

    ``measured`` is None where this machine cannot tell, and ``note`` says why.
    """

    what: str
    measured: float | None
    unit: str
    limit: float
    least: bool = False
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the bar is reached; None if nobody knows."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def unless(self, doubt: str) -> Bar:
        """Return the bar as not measured, if there is a doubt, which is then its note."""
        return replace(self, measured=None, note=doubt) if doubt else self

    def row(self) -> tuple[Cell, ...]:
        """Return the row of the table of bars."""
        verdict = {True: "pass", False: "FAIL", None: "not measured"}[self.passed]
        limit = f"{'>=' if self.least else '<='} {_text(self.limit)}"
        return self.what, self.measured, limit, self.unit, verdict, self.note


class Cost(NamedTuple):
    """A figure without a limit. Less is better, and only an earlier run judges it."""

    what: str
    measured: float
    unit: str


@dataclass(frozen=True)
class Plot:
    """Lines over one axis; each axis begins at 0, unless it is logarithmic."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    log_x: bool = False
    log_y: bool = False

    def draw(self, axis: Any) -> None:
        """Draw on axes of matplotlib."""
        from matplotlib.ticker import LogLocator, NullFormatter

        for label, points in self.lines.items():
            if points:  # a short run has not measured all
                axis.plot(*zip(*points, strict=True), label=label, marker=".")
        axis.set(title=self.title, xlabel=self.x, ylabel=self.y)
        axis.grid(alpha=0.3)
        for name, logarithmic, values in (("x", self.log_x, 0), ("y", self.log_y, 1)):
            if logarithmic:
                axis.set(**{f"{name}scale": "log"})
                ticks = getattr(axis, f"{name}axis")
                ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))
                ticks.set_major_formatter("{x:g}")
                ticks.set_minor_formatter(NullFormatter())
            else:
                most = max((point[values] for points in self.lines.values() for point in points), default=0)
                axis.set(**{f"{name}lim": (0, MARGIN * most or 1)})
        axis.legend(bbox_to_anchor=(1.01, 1), loc="upper left")


@dataclass(frozen=True)
class BarChart:
    """A horizontal bar for each name, as long as the median of its runs, with their range; the first is on top."""

    title: str
    x: str
    runs: Mapping[str, Sequence[float]]

    def draw(self, axis: Any) -> None:
        """Draw on axes of matplotlib."""
        medians = [statistics.median(runs) for runs in self.runs.values()]
        below = [median - min(runs) for median, runs in zip(medians, self.runs.values(), strict=True)]
        above = [max(runs) - median for median, runs in zip(medians, self.runs.values(), strict=True)]
        bars = axis.barh(list(self.runs), medians, xerr=(below, above), capsize=3)
        axis.bar_label(bars, fmt="%.2f", padding=6)
        axis.set(title=self.title, xlabel=self.x)
        axis.invert_yaxis()
        axis.margins(x=0.1)
        axis.grid(alpha=0.3, axis="x")


@dataclass(frozen=True)
class Report:
    """The result of a benchmark; ``figures`` is whatever JSON can hold."""

    tables: Sequence[Table] = ()
    bars: Sequence[Bar] = ()
    plots: Sequence[Plot | BarChart] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    costs: Sequence[Cost] = ()

    @property
    def passed(self) -> bool:
        """Whether no bar was missed."""
        return all(bar.passed is not False for bar in self.bars)

    def text(self, machine: Mapping[str, str]) -> str:
        """Return the whole report as text to read."""
        parts = [table.text() for table in self.tables]
        if self.bars:
            columns = ("bar", "measured", "limit", "unit", "verdict", "note")
            parts.append(Table("Bars", columns, [bar.row() for bar in self.bars]).text())
        width = max(map(len, machine))
        parts.append("\n".join(f"{name:{width}}  {value}" for name, value in machine.items()))
        return "\n\n".join(parts)

    def write_json(self, path: Path, name: str, options: Mapping[str, Any], machine: Mapping[str, str]) -> None:
        """Write everything for a script and for ``--baseline``; raises ``OSError``."""
        bars = [
            {"what": b.what, "measured": b.measured, "unit": b.unit, "limit": b.limit, "least": b.least,
             "passed": b.passed, "note": b.note}
            for b in self.bars
        ]  # fmt: skip
        tables = [{"title": t.title, "columns": t.columns, "rows": t.rows} for t in self.tables]
        whole = {
            "benchmark": name,
            "options": options,
            **machine,
            "bars": bars,
            "costs": [cost._asdict() for cost in self.costs],
            "tables": tables,
            "figures": self.figures,
        }
        path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")

    def write_plot(self, path: Path) -> None:
        """Draw the plots, one below the other; there is at least one. Raises ``OSError``."""
        figure, axes = _matplotlib()(len(self.plots), 1, figsize=(11, 4 * len(self.plots)), squeeze=False)
        for plot, (axis,) in zip(self.plots, axes, strict=True):
            plot.draw(axis)
        figure.tight_layout()
        try:
            figure.savefig(path)
        except ValueError as error:
            raise BenchmarkError(f"{path}: {error}") from None


def check_plot(path: Path) -> None:
    """Raise ``BenchmarkError`` now, and not after minutes of measuring, where no picture can be drawn."""
    _matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in formats:
        raise BenchmarkError(f"--plot {path}: the name has to end in one of .{' .'.join(formats)}")


def check_writable(path: Path) -> None:
    """Raise ``BenchmarkError`` now, and not after minutes of measuring, where a file cannot be written."""
    if path.is_dir():
        raise BenchmarkError(f"{path}: is a folder")
    if not path.parent.is_dir():
        raise BenchmarkError(f"{path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BenchmarkError(f"{path}: may not be written")


def _matplotlib() -> Callable[..., Any]:
    try:
        import matplotlib
    except ImportError:
        raise Missing("--plot needs matplotlib, which is not installed: pip install matplotlib") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    draw: Callable[..., Any] = pyplot.subplots
    return draw


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.1f}" if abs(cell) >= 100 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
