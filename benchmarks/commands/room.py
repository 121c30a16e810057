"""Whether a whole meeting fits on this machine: each participant a process of its own, and the server beside them."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.demo import participants_of, run_demo, server_of
from benchmarks.harness.options import positive_whole, whole
from benchmarks.harness.procfs import Process
from benchmarks.harness.report import Bar, BenchmarkError, Report, Table


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--participants",
        metavar="N",
        type=positive_whole,
        help="processes that take part (default: 35, with --quick 12)",
    )
    parser.add_argument("--talkers", metavar="K", type=whole, default=3, help="of them talk (default: 3)")
    parser.add_argument("--cameras", metavar="C", type=whole, default=4, help="of them show a picture (default: 4)")
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=positive_whole,
        help="length of the meeting (default: 60, with --quick 8)",
    )
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep recordings and logs there")


class Sample(NamedTuple):
    """Seconds of processor that had been used at a moment."""

    at: float
    server: float
    participants: dict[int, float]
    """By process."""


class Watch:
    """Processor time and memory of the demonstration's processes, from the moment at which all of them run."""

    def __init__(self, expected: int) -> None:
        self.samples: list[Sample] = []
        self.server_memory = 0
        """Most resident bytes."""
        self.memory: dict[int, int] = {}
        """Resident bytes of each participant at the end."""
        self._expected = expected

    def look(self, processes: list[Process]) -> None:
        """Take a look."""
        server, participants = server_of(processes), participants_of(processes)
        if server is None or len(participants) < self._expected:
            return
        self.server_memory = max(self.server_memory, server.memory)
        for process in participants:
            self.memory[process.pid] = process.memory
        self.samples.append(Sample(time.monotonic(), server.cpu, {p.pid: p.cpu for p in participants}))

    def shares(self, seconds: float) -> tuple[float, list[float]]:
        """Return the percentages of a core that the server and each participant took in the middle of the media.

        Media begin when everybody is seated and end a second before the first process does; the first and the last
        tenth are left out.
        """
        end = self.samples[-1].at - 1 - seconds / 10
        media = [sample for sample in self.samples if end - 0.8 * seconds <= sample.at <= end]
        if len(media) < 2:
            raise BenchmarkError("the meeting was too short to be measured")
        first, last = media[0], media[-1]
        scale = 100 / (last.at - first.at)
        each = [scale * (cpu - first.participants[pid]) for pid, cpu in last.participants.items()]
        return scale * (last.server - first.server), each


def run(options: argparse.Namespace) -> Report:
    """Run the meeting; raises ``BenchmarkError``."""
    participants = options.participants or (12 if options.quick else 35)
    seconds = options.seconds or (8 if options.quick else 60)
    watch = Watch(participants)
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        account = run_demo(
            options.keep or Path(folder), "--participants", str(participants),
            "--talkers", str(options.talkers), "--cameras", str(options.cameras), "--seconds", str(seconds),
            look=watch.look,
        )  # fmt: skip
    return _report(account, watch, seconds)


def _report(account: dict[str, Any], watch: Watch, seconds: float) -> Report:
    reports = account["participants"]
    senders = sum(bool(report["sent"]) for report in reports)
    received = [sum(stream["packets"] for stream in report["received"]) / seconds for report in reports]
    lost = sum(stream["lost"] for report in reports for stream in report["received"])
    server, shares = watch.shares(seconds)
    silent = sorted(shares)[: len(shares) - senders] or shares
    whole = watch.samples[-1]
    cpu = sorted(whole.participants.values())
    joined = sorted(report["seated_ms"] / 1000 for report in reports if "seated_ms" in report)
    memory = statistics.median(watch.memory.values())
    rows: list[tuple[str, float, str]] = [
        ("participants", len(reports), "of which send: " + str(senders)),
        ("packets received by all", sum(received), "/s"),
        ("packets received by one, median", statistics.median(received), "/s"),
        ("server, during the media", server, "% of a core"),
        ("all participants, during the media", sum(shares), f"% of a core, of {100 * (os.cpu_count() or 1)}"),
        ("one that only records, median", statistics.median(silent), "% of a core"),
        (
            "one that only records, for 100 packets/s",
            100 * statistics.median(silent) / statistics.median(received),
            "%",
        ),
        ("server, from start to end", whole.server, "s of processor"),
        ("one participant, from start to end, median", statistics.median(cpu), "s of processor"),
        ("memory of the server, most", watch.server_memory / 2**20, "MiB"),
        ("memory of one participant at the end, median", memory / 2**20, "MiB"),
    ]
    if joined:
        rows += [("from dialling to seated, median", statistics.median(joined), "s"), ("the slowest", joined[-1], "s")]
    return Report(
        [Table("A whole meeting on one machine", ("what", "measured", "unit"), rows)],
        [
            Bar("packets lost", lost, "packets", 0),
            Bar("faults of the demonstration", len(account["faults"]), "", 0, note="; ".join(account["faults"][:2])),
        ],
        figures={what: measured for what, measured, _ in rows} | {"faults": account["faults"]},
    )
