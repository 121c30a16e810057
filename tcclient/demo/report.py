"""The report of a demonstration: whether everything that was sent was received, with tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_ROWS = 60
"""Rows of the printed table. Beyond it each stream has one row that sums up its receivers."""
_HEADER = ("participant", "stream", "packets", "lost", "frames", "concealed", "bitrate", "latency p50/p95")


@dataclass(frozen=True)
class Report:
    """The reports of the participants, and the faults found in them."""

    reports: Sequence[dict[str, Any]]
    faults: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every participant received every packet of all other participants' streams."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """Return the figures of the tables, for scripts."""
        return {"complete": self.complete, "faults": list(self.faults), "participants": list(self.reports)}

    def table(self) -> str:
        """Return the table to print."""
        rows = [row for report in self.reports for row in _rows(report)]
        if len(rows) > MAX_ROWS:
            rows = _summed(self.reports)
        return _aligned([_HEADER, *rows])

    def recordings(self) -> list[str]:
        """Return the paths of all recordings, without repetition."""
        paths = [path for report in self.reports for stream in report["received"] for path in stream["recordings"]]
        return list(dict.fromkeys(paths))


def report_on(reports: Sequence[dict[str, Any]]) -> Report:
    """Compare what each participant received with what the others sent."""
    faults = []
    for report in reports:
        who = report["user"]
        received = {(stream["from"], stream["stream"]): stream for stream in report["received"]}
        for other in reports:
            if other is not report:
                faults += [fault for sent in other["sent"] if (fault := _fault(who, other["user"], sent, received))]
    return Report(reports, tuple(faults))


def _fault(who: str, speaker: str, sent: dict[str, Any], received: dict[tuple[str, int], dict[str, Any]]) -> str:
    """Return what is wrong with one stream at one receiver, or nothing."""
    what = f"{who} <- {speaker} {sent['kind']}"
    if not sent["packets"]:
        return f"{what}: nothing was sent"
    stream = received.get((speaker, sent["stream"]))
    if stream is None:
        return f"{what}: never seen"
    if stream["packets"] != sent["packets"]:
        return f"{what}: {stream['packets']} of {sent['packets']} packets"
    if stream["frames"] != sent["frames"]:
        return f"{what}: {stream['frames']} of {sent['frames']} frames"
    if stream["checksum"] != sent["checksum"]:
        return f"{what}: the frames are not those that were sent"
    if not stream["recordings"]:
        return f"{what}: no recording"
    return ""


def _rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (report["user"], f"-> {s['kind']}", f"{s['packets']:,}", "", f"{s['frames']:,}", "", _rate(s["bitrate"]), "")
        for s in report["sent"]
    ]
    rows += [
        (
            report["user"],
            f"<- {s['from']} {s['kind']}",
            f"{s['packets']:,}",
            f"{s['lost']:,}",
            f"{s['frames']:,}",
            f"{s['concealed_ms']:,} ms" if s["kind"] == "audio" and s["concealed_ms"] is not None else "",
            _rate(s["bitrate"]),
            _latency(s["latency_ms"]),
        )
        for s in report["received"]
    ]
    return rows


def _summed(reports: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return two rows for each stream: what was sent, and the extremes among its receivers."""
    rows: list[tuple[str, ...]] = []
    for report in reports:
        for sent in report["sent"]:
            got = [
                stream
                for other in reports
                for stream in other["received"]
                if stream["from"] == report["user"] and stream["stream"] == sent["stream"]
            ]
            packets = [stream["packets"] for stream in got]
            frames = [stream["frames"] for stream in got]
            latencies = [stream["latency_ms"] for stream in got if stream["latency_ms"]]
            worst = max(latencies, key=lambda latency: float(latency["p95"]), default=None)
            rate = _rate(sent["bitrate"])
            rows.append(
                (report["user"], f"-> {sent['kind']}", f"{sent['packets']:,}", "", f"{sent['frames']:,}", "", rate, "")
            )
            rows.append(
                (
                    f"{len(got)} receivers",
                    f"<- {report['user']} {sent['kind']}",
                    _span(packets),
                    f"{sum(stream['lost'] for stream in got):,}",
                    _span(frames),
                    "",
                    "",
                    f"worst {_latency(worst)}" if worst else "",
                )
            )
    return rows


def _span(values: list[int]) -> str:
    if not values:
        return "0"
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def _rate(bits: float) -> str:
    return f"{bits / 1000:.1f} kbit/s"


def _latency(latency: dict[str, float] | None) -> str:
    return f"{latency['p50']:.0f} / {latency['p95']:.0f} ms" if latency else ""


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    left = 2
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
