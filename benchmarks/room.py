"""Whether a whole meeting fits on this machine: each participant a process of its own, and the server beside them."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.demo import participants_of, run_demo, server_of
from benchmarks.procfs import Process
from benchmarks.report import Bar, Report, Table


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--participants", metavar="N", type=int, default=35)
    parser.add_argument("--talkers", metavar="K", type=int, default=3)
    parser.add_argument("--cameras", metavar="C", type=int, default=4)
    parser.add_argument("--seconds", metavar="S", type=int, default=60)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep recordings and logs there")


class Watch:
    """Processor time and memory of the demonstration's processes, while everybody is seated and afterwards."""

    def __init__(self, expected: int) -> None:
        self.latest: dict[int, Process] = {}
        """The last that was seen of each process of a participant."""
        self.server: Process | None = None
        self.server_memory = 0
        """Most resident bytes."""
        self.samples: list[tuple[float, float, float]] = []
        """Time, and seconds of processor so far of the server and of all participants together."""
        self._expected = expected

    def look(self, processes: list[Process]) -> None:
        """Take a look."""
        if (server := server_of(processes)) is not None:
            self.server = server
            self.server_memory = max(self.server_memory, server.memory)
        for process in participants_of(processes):
            self.latest[process.pid] = process
        if self.server is not None and len(self.latest) == self._expected:
            clients = sum(process.cpu for process in self.latest.values())
            self.samples.append((time.monotonic(), self.server.cpu, clients))


def run(options: argparse.Namespace) -> Report:
    """Run the meeting; raises ``BenchmarkError``."""
    watch = Watch(options.participants)
    seconds = min(options.seconds, 10) if options.quick else options.seconds
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        account = run_demo(
            options.keep or Path(folder), "--participants", str(options.participants),
            "--talkers", str(options.talkers), "--cameras", str(options.cameras), "--seconds", str(seconds),
            look=watch.look,
        )  # fmt: skip
    return _report(account, watch, seconds)


def _report(account: dict[str, Any], watch: Watch, seconds: float) -> Report:
    reports = account["participants"]
    silent = [report for report in reports if not report["sent"]]
    received = [sum(stream["packets"] for stream in report["received"]) for report in reports]
    lost = sum(stream["lost"] for report in reports for stream in report["received"])
    media = [sample for sample in watch.samples if sample[0] >= watch.samples[-1][0] - seconds]
    wall = media[-1][0] - media[0][0]
    server, clients = (100 * (media[-1][i] - media[0][i]) / wall for i in (1, 2))
    server_cpu = watch.server.cpu if watch.server is not None else 0.0
    cpu = [process.cpu for process in watch.latest.values()]
    figures = {
        "participants": len(reports),
        "packets_received_per_second": sum(received) / seconds,
        "packets_per_second_and_participant": statistics.median(received) / seconds,
        "server_percent_of_a_core": server,
        "clients_percent_of_a_core": clients,
        "server_cpu_seconds": server_cpu,
        "client_cpu_seconds": {"least": min(cpu), "median": statistics.median(cpu), "most": max(cpu), "sum": sum(cpu)},
        "server_memory_bytes": watch.server_memory,
        "client_memory_bytes": statistics.median(process.memory for process in watch.latest.values()),
        "join_ms": account.get("join_ms"),
    }
    rows = [
        ("participants, of which silent", f"{len(reports)}, {len(silent)}"),
        ("packets received by all", f"{sum(received) / seconds:,.0f} /s"),
        ("packets received by the median participant", f"{statistics.median(received) / seconds:,.0f} /s"),
        ("server, during the media", f"{server:.1f} % of a core"),
        ("all participants, during the media", f"{clients:.1f} % of a core, of {100 * (os.cpu_count() or 1)} %"),
        ("server, from start to end", f"{server_cpu:.1f} s of processor"),
        ("participant, from start to end", f"{min(cpu):.1f} / {statistics.median(cpu):.1f} / {max(cpu):.1f} s"),
        ("memory of the server", f"{watch.server_memory / 2**20:.0f} MiB"),
        ("memory of the median participant", f"{figures['client_memory_bytes'] / 2**20:.0f} MiB"),
    ]
    return Report(
        [Table("A whole meeting on one machine", ("what", "measured"), rows)],
        [
            Bar("packets lost", lost, "packets", 0),
            Bar("faults of the demonstration", len(account["faults"]), "", 0, note="; ".join(account["faults"][:2])),
        ],
        figures=figures | {"faults": account["faults"]},
    )
