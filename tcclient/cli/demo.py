"""``tcclient demo``."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tcclient.cli.arguments import named
from tcclient.cli.exits import FAILED

MAX_PARTICIPANTS = 100
DEFAULT_OUT = "demo-recordings"


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="a whole conference on this machine, with an account of what arrived",
        description=(
            "Starts a real server on the loopback address, makes accounts, seats participants in processes of their\n"
            "own, lets them speak and show video, and compares what each received with what was sent.\n"
            "With --web the meeting stays open, and you visit it with a browser: see and hear the others, speak,\n"
            "write, and moderate. Nothing is left when you end it with Ctrl-C."
        ),
        epilog=(
            "examples:\n  tcclient demo\n  tcclient demo --web\n  tcclient demo --web --no-browser --participants 8\n"
            "  tcclient demo --audio speech.wav --video clip.mp4 --out DIR --json\n"
            "  tcclient demo --participants 35 --talkers 3 --cameras 4 --seconds 60"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    number = parser.add_argument
    number(
        "--participants",
        metavar="N",
        type=int,
        default=3,
        help=f"how many take part, 2 to {MAX_PARTICIPANTS}; with --web they are 1 or more, besides you (default: 3)",
    )
    number("--talkers", metavar="K", type=int, help="how many speak (default: all, at most 3)")
    number("--cameras", metavar="C", type=int, help="how many show video (default: all, at most 2)")
    parser.add_argument(
        "--audio",
        metavar="FILE",
        type=named,
        help="what the talkers say (default: the speech that comes with it)",
    )
    parser.add_argument(
        "--video", metavar="FILE", type=named,
        help="what the cameras show (default: the clip that comes with it; with --web, drawn faces)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", metavar="S", type=float, help="length of the media; files are repeated (default: the files, once)"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=named, help=f"where to write the recordings (default: {DEFAULT_OUT})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument(
        "--web", action="store_true",
        help="open a meeting that goes on until Ctrl-C, and a browser on it; without --seconds, --out and --json",
    )  # fmt: skip
    parser.add_argument("--no-browser", action="store_true", help="with --web: only print the link for the browser")
    parser.set_defaults(command=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    if arguments.web:
        return _web(arguments)
    if arguments.no_browser:
        raise ValueError("--no-browser goes with --web")
    from tcclient.demo.conductor import conduct
    from tcclient.transport.loop import run

    plan = _plan(arguments)
    report = run(conduct(plan))
    if arguments.json:
        print(json.dumps(report.as_json()))
    else:
        print(report.table())
        print()
        for path in report.recordings():
            print(path)
        print()
        print("Everybody received everything." if report.complete else "NOT everybody received everything:")
    for fault in report.faults:
        print(f"tcclient: {fault}", file=sys.stderr)
    return 0 if report.complete else FAILED


def _web(arguments: argparse.Namespace) -> int:
    from tcclient.demo.visit import Invitation, receive_visitors
    from tcclient.transport.loop import run

    for option, given in (("--seconds", arguments.seconds), ("--out", arguments.out), ("--json", arguments.json)):
        if given:
            raise ValueError(f"{option} does not go with --web: the meeting goes on, and nothing is recorded")
    seen = False

    def invite(invitation: Invitation) -> None:
        nonlocal seen
        seen = True
        print("The meeting is open. Join it with a browser on this machine, under any name:")
        print(f"  link       {invitation.link}")
        print(f"  user name  {invitation.user}")
        print(f"  password   {invitation.password}")
        print("Ctrl-C ends it.", flush=True)
        if not arguments.no_browser and shows_windows(os.environ, sys.platform):
            threading.Thread(target=_browse, args=(invitation.link,), daemon=True).start()

    try:
        run(receive_visitors(_plan(arguments), invite, drawn=arguments.video is None))
    except KeyboardInterrupt:
        if not seen:
            raise
    print("The meeting is over; nothing of it is left.")
    return 0


def _browse(link: str) -> None:
    """Open the link; it takes as long as the browser runs, where that is no window."""
    if not webbrowser.open(link):
        print("tcclient: no browser was found here: open the link in one", file=sys.stderr)


def shows_windows(environment: Mapping[str, str], platform: str) -> bool:
    """Tell whether a browser can be shown: a text browser would take the terminal, and could not take part."""
    if platform in ("win32", "darwin"):
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _plan(arguments: argparse.Namespace) -> Any:
    from tcclient.audio.opus import require_library
    from tcclient.capture import CLIP, SPEECH
    from tcclient.capture.reader import open_audio, open_video
    from tcclient.demo.plan import Plan

    participants = arguments.participants
    talkers = min(3, participants) if arguments.talkers is None else arguments.talkers
    cameras = min(2, participants) if arguments.cameras is None else arguments.cameras
    fewest = 1 if arguments.web else 2
    if not fewest <= participants <= MAX_PARTICIPANTS:
        raise ValueError(f"--participants is {fewest} to {MAX_PARTICIPANTS}")
    for option, value in (("--talkers", talkers), ("--cameras", cameras)):
        if not 0 <= value <= participants:
            raise ValueError(f"{option} is 0 to the number of participants")
    if not talkers and not cameras:
        raise ValueError("somebody has to speak or to show video")
    if arguments.seconds is not None and not 1 <= arguments.seconds <= 24 * 3600:
        raise ValueError("--seconds is 1 to 86400")
    require_library()
    audio = Path(arguments.audio) if arguments.audio else SPEECH
    video = Path(arguments.video) if arguments.video else CLIP
    lengths = []
    if talkers:
        lengths.append(open_audio(audio).duration)
    if cameras:
        lengths.append(open_video(video).duration)
    seconds = arguments.seconds or math.ceil(max((length for length in lengths if length), default=10.0))
    out = Path(arguments.out or DEFAULT_OUT)
    return Plan(participants, talkers, cameras, audio, video, seconds, arguments.seconds is not None, out)
