"""``python -m benchmarks NAME``: runs one benchmark."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.report import BenchmarkError, Report, check_plot

BENCHMARKS = {
    "fanout": "What does a forwarded datagram cost, and what does the kernel alone need for it?",
    "peers": "What does a forwarded datagram cost here, and what on Mumble's server, under the same load?",
    "latency": "How long does a datagram take through the server, to the first and the last receiver?",
    "join": "How many log in per second, and how soon do they hear?",
    "memory": "How many bytes do a session, a room and a stream take, and what do joining and leaving leave behind?",
    "capacity": "How many people, speakers and cameras does a room bear, and where does delivery break?",
    "ablation": "What does each part of the fan-out save: one seal, system calls, trains, uvloop, loudest-N?",
    "client": "What does one client cost that hears voices and sees pictures?",
    "quality": "What do a call and its recording cost in sound, picture, lip-sync, delay and bytes?",
    "speakers": "What does forwarding only the loudest clip, how often does it switch, and what does it cost?",
    "room": "Does a meeting of 35, each in a process of its own, fit on this machine?",
}
"""Name of the module in this package, and the question that it answers.

A module has ``add_options(parser)`` and ``run(options) -> Report``.
"""


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if all bars are reached, 1 if not, 2 where the benchmark cannot be run."""
    options = _parser().parse_args(arguments)
    try:
        if options.plot:
            check_plot()
        report: Report = importlib.import_module(f"benchmarks.{options.name}").run(options)
        machine = describe()
        print(report.text(machine))
        if options.json:
            report.write_json(options.json, options.name, machine)
        if options.plot:
            report.write_plot(options.plot)
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0 if report.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    for name, question in BENCHMARKS.items():
        command = commands.add_parser(name, help=question, description=question)
        command.add_argument("--json", metavar="FILE", type=Path, help="write all figures to a file")
        command.add_argument("--plot", metavar="FILE", type=Path, help="draw a picture (needs matplotlib)")
        command.add_argument("--quick", action="store_true", help="shorter, less exact")
        importlib.import_module(f"benchmarks.{name}").add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
