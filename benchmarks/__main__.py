"""Runs one benchmark, prints its tables, its bars with a verdict, and where it was measured."""

from __future__ import annotations

import argparse
import importlib
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from benchmarks.harness import baseline
from benchmarks.harness.machine import describe
from benchmarks.harness.options import share
from benchmarks.harness.report import BenchmarkError, Missing, Report, check_plot, check_writable

BENCHMARKS = {
    "fanout": "What does a forwarded datagram cost, and what does the kernel alone need for it?",
    "peers": "What does a forwarded datagram cost here, and what on Mumble's server, under the same load?",
    "delivery": "Does each receiver get each datagram exactly once, while others join and leave?",
    "latency": "How long does a datagram take through the server, to the first and the last receiver?",
    "join": "How many log in per second, and how soon do they hear and see?",
    "memory": "How many bytes do a session, a room and a stream take, and what do joining and leaving leave behind?",
    "capacity": "How many participants, speakers and cameras does a room bear, and where does delivery break?",
    "meeting": "What becomes of a meeting as you want it: talkers, cameras, layers, listeners, turns, joining?",
    "stream": "What does a participant in a WebSocket cost the server, and what does a slow one hear?",
    "page": "What do people at the page hear and see, how soon are they in, and what does it cost their machine?",
    "attack": "What becomes of a call while somebody with an account does what a server must bear?",
    "ablation": "What does each part of the fan-out save: one seal, system calls, trains, uvloop, loudest-N?",
    "client": "What does one client cost that hears voices and sees pictures?",
    "quality": "What do a call and its recording cost in sound, picture, lip-sync, delay and bytes?",
    "speech": "How does speech sound after a bad line, and what does its repair cost in bytes?",
    "jitter": "How does speech sound where datagrams come unevenly, and what delay does that cost?",
    "congestion": "What rate does a sender take on a narrow link, with what queue, and what do others take?",
    "rural": "What do people hear and see on a line that is too thin for the meeting, and how late?",
    "uplink": "What becomes of voice and camera on a thin way up: its use, its queue, the sound?",
    "recovery": "How long is nothing heard after a fault of the line or of the server, and do others notice?",
    "speakers": "What does forwarding only the loudest clip, how often does it switch, and what does it cost?",
    "room": "Does a meeting of 35, each in a process of its own, fit on this machine?",
}
"""Name of the module in this package, and the question that it answers.

A module has ``add_options(parser)`` and ``run(options) -> Report``.
"""


NOTHING_TO_DRAW = (
    "attack",
    "delivery",
    "jitter",
    "meeting",
    "page",
    "quality",
    "recovery",
    "rural",
    "speakers",
    "speech",
    "stream",
    "room",
    "uplink",
)
"""Benchmarks whose reports have no plots."""
OURS = ("benchmarks", "tcclient", "tcproto", "tcserver")
INSTALL = "pip install -e '.[bench]'"
FRAMEWORK_OPTIONS = ("name", "json", "plot", "baseline", "tolerance")
EPILOG = """\
exit status: 0 if all bars are reached, 1 if one is missed, 2 if nothing could be measured, 3 if something that it needs
is missing here, 4 for a defect of the benchmark, which is told as a traceback, 130 if interrupted;
with --baseline 0 if nothing became worse by more than the tolerance, 1 if something did, 2 if it cannot be compared
"""
FAILED, MISSING, DEFECT = 2, 3, 4
INTERRUPTED = 130
"""What shells make of SIGINT."""


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status, as in ``EPILOG``."""
    try:
        options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
        return _run(options, _measuring(options))
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return MISSING if isinstance(error, Missing) else FAILED
    except OSError as error:
        print(f"benchmarks: {_told(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception:  # Python's own status would be that of a missed bar
        traceback.print_exc()
        return DEFECT


def _run(options: argparse.Namespace, measuring: dict[str, Any]) -> int:
    """Check what can be checked beforehand, and measure; raises ``BenchmarkError``, ``OSError``."""
    if options.plot:
        if options.name in NOTHING_TO_DRAW:
            raise BenchmarkError(f"--plot {options.plot}: {options.name} has nothing to draw")
        check_plot(options.plot)
    for path in (options.json, options.plot):
        if path:
            check_writable(path)
    before = options.baseline and baseline.load(options.baseline, options.name, measuring, describe())
    report: Report = _module(options.name).run(options)
    machine = describe()
    print(report.text(machine))
    if options.json:
        report.write_json(options.json, options.name, baseline.plain(measuring), machine)
    if options.plot and report.plots:
        report.write_plot(options.plot)
    elif options.plot:
        print(f"benchmarks: {options.name} has nothing to draw; {options.plot} was not written", file=sys.stderr)
    if not before:
        return 0 if report.passed else 1
    comparison = before.compare(report.bars, report.costs, machine, options.tolerance)
    print(f"\n{comparison.text}")
    return 1 if comparison.regressions else 0


def _measuring(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that change what is measured."""
    return {name: value for name, value in vars(options).items() if name not in FRAMEWORK_OPTIONS}


def _module(name: str) -> ModuleType:
    """Return a benchmark; raises ``Missing`` where a package is not installed that it needs."""
    try:
        return importlib.import_module(f"benchmarks.commands.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in OURS:
            raise
        raise Missing(f"{name} needs {error.name}, which is not installed: {INSTALL}") from None


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser. Only the benchmark that the arguments name is imported."""
    parser = _Parser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"{EPILOG}\nbenchmarks/README.md tells what each measures, how, and what is not in it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    for name, question in BENCHMARKS.items():
        if name not in arguments:
            commands.add_parser(name, help=question)
            continue
        module = _module(name)
        command = commands.add_parser(
            name, help=question, description=f"{question}\n\n{module.__doc__}", epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.add_argument("--json", metavar="FILE", type=Path, help="write all figures to a file")
        command.add_argument("--plot", metavar="FILE", type=Path, help="draw a picture (needs matplotlib)")
        command.add_argument("--quick", action="store_true", help="shorter, less exact")
        command.add_argument(
            "--baseline", metavar="FILE", type=Path,
            help="compare with an earlier run of this command on this machine, written by --json",
        )  # fmt: skip
        command.add_argument(
            "--tolerance", metavar="SHARE", type=share, default=baseline.TOLERANCE,
            help="by how much a figure may be worse than in the baseline (default: %(default)s)",
        )  # fmt: skip
        module.add_options(command)
    return parser


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        told = re.sub("^argument ([^:]+): ", r"\1 ", message)
        self.exit(FAILED, f"{self.prog}: {told}\n")


def _told(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Act as Ctrl-C does: asyncio cancels its main task."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # ``timeout`` tells the process, and then its group once more
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(number, frame)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # what was started is ended then, too
    sys.exit(main())
