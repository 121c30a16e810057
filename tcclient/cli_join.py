"""``tcclient join``: options, password, and the trust in a server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcclient.sources import AnySource

_EPILOG = """\
examples:
  tcclient join tc://HOST/rapat --user dinkes --name "Kepala Dinas" --listen
  tcclient join tc://HOST/rapat --user dinkes --name "Kepala Dinas" --audio speech.wav --video clip.mp4 --record DIR
  tcclient join tc://HOST/rapat --user dinkes --audio mic --video camera --speaker
  tcclient join tc://HOST/rapat --user dinkes --audio tone --seconds 60 --json --password-stdin < password.txt

While in the room, a line typed is a text to all; lines that begin with a slash do something else:
  /mute /unmute /talk /hush       microphone on and off; push-to-talk pressed and released
  /who /code /quality             who is here; the safety code, to be compared aloud; how the network does
  /msg WHO TEXT                   a text to one person; WHO is an account, or part of a name
  /kick WHO, /role WHO ROLE       the chair's: take a seat away; make somebody chair, speaker, listener
  /title TEXT, /limit N, /close   the chair's: change or close the room
  /quit                           leave (so does Ctrl-C)
"""

MAX_ANSWER = 1024
"""Bytes of the line that answers a question."""


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "join",
        help="join a room: speak, show video, hear, record, chat",
        description="Joins the room of a link until Ctrl-C, /quit, --seconds, or the end of the meeting.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "link",
        metavar="LINK",
        help="tc://HOST[:PORT]/ROOM[?fp=...], from the operator; in quotes, for the sake of ? and &",
    )
    who = parser.add_argument_group("who")
    who.add_argument("--user", required=True, metavar="NAME", help="the account, from the operator")
    who.add_argument(
        "--name", metavar="TEXT", help="your name: people read it behind that of the agency (default: the account)"
    )
    who.add_argument("--password-stdin", action="store_true", help="read the password from the first line of input")
    who.add_argument(
        "--data",
        metavar="DIR",
        help="where the key of this device and known servers are kept (default: your data folder)",
    )
    send = parser.add_argument_group("what to send")
    send.add_argument("--audio", metavar="WHAT", help="a file, 'tone', or 'mic[:DEVICE]'")
    send.add_argument("--video", metavar="WHAT", help="a file, 'test', or 'camera[:DEVICE]'")
    send.add_argument("--loop", action="store_true", help="repeat files, until you leave")
    send.add_argument(
        "--gate",
        choices=("open", "voice", "push-to-talk"),
        default="open",
        help="send sound always, only while somebody speaks, or between /talk and /hush (default: open)",
    )
    send.add_argument("--codec", choices=("vp8", "h264"), default="vp8", help="of the video (default: vp8)")
    send.add_argument(
        "--video-bitrate", metavar="BIT/S", type=int, default=0, help="of a video file (default: by its size)"
    )
    get = parser.add_argument_group("what to do with what comes")
    get.add_argument("--listen", action="store_true", help="send nothing; show who speaks, chat and quality, live")
    get.add_argument("--record", metavar="DIR", help="write an Ogg file for each speaker, and MKV where there is video")
    get.add_argument("--no-video", action="store_true", help="ask for sound alone: pictures are not sent here")
    get.add_argument("--speaker", action="store_true", help="play on the loudspeaker")
    parser.add_argument("--seconds", metavar="S", type=float, help="leave after that time")
    parser.add_argument("--leave-at-end", action="store_true", help="leave when what is sent has ended")
    parser.add_argument(
        "--no-e2ee",
        action="store_true",
        help="allow a room without end-to-end encryption, if the link has e2ee=off, too",
    )
    parser.add_argument(
        "--once", action="store_true", help="do not try again where the server is busy or the connection is lost"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each event, for scripts")
    parser.set_defaults(command=_join)


def _join(arguments: argparse.Namespace) -> int:
    from tcclient.attendance import Attendance, Wishes
    from tcclient.audio.gate import GateMode
    from tcclient.core.session import AUDIO_ONLY, DEFAULT_SOURCES
    from tcclient.errors import JoinRefused
    from tcclient.loop import run
    from tcproto.errors import ErrorCode
    from tcproto.link import parse_link

    if arguments.listen and (arguments.audio or arguments.video):
        raise ValueError("--listen sends nothing: leave out --audio and --video")
    if arguments.leave_at_end and not (arguments.audio or arguments.video):
        raise ValueError("--leave-at-end needs something to send")
    if arguments.seconds is not None and arguments.seconds <= 0:
        raise ValueError("--seconds is more than 0")
    link = parse_link(arguments.link)
    if not link.e2ee and not arguments.no_e2ee:
        raise JoinRefused(
            "end-to-end encryption is required, and off in this room; --no-e2ee allows that", ErrorCode.MODE_MISMATCH
        )
    sources = _sources(arguments)
    wishes = Wishes(
        link=link,
        user=arguments.user,
        password=_password(arguments),
        name=arguments.name or arguments.user,
        data=Path(arguments.data) if arguments.data else None,
        trust=_ask if sys.stdin.isatty() and not arguments.password_stdin else None,
        require_e2ee=not arguments.no_e2ee,
        sources=AUDIO_ONLY if arguments.no_video else DEFAULT_SOURCES,
        gate=GateMode(arguments.gate),
        record=Path(arguments.record) if arguments.record else None,
        speaker=arguments.speaker,
        seconds=arguments.seconds,
        leave_at_end=arguments.leave_at_end,
        json=arguments.json,
        once=arguments.once,
    )
    return run(Attendance(wishes, sources).attend())


def _sources(arguments: argparse.Namespace) -> list[AnySource]:
    from tcclient import sources

    found: list[AnySource] = []
    if arguments.audio:
        what, _, device = arguments.audio.partition(":")
        if what == "mic":
            found.append(sources.microphone(device or None))
        elif arguments.audio == "tone":
            found.append(sources.tone())
        else:
            found.append(sources.audio_file(arguments.audio, loop=arguments.loop))
    if arguments.video:
        what, _, device = arguments.video.partition(":")
        if what == "camera":
            found.append(sources.camera(device or None, codec=arguments.codec))
        elif arguments.video == "test":
            found.append(sources.moving_bars(codec=arguments.codec))
        else:
            found.append(
                sources.video_file(
                    arguments.video, loop=arguments.loop, bitrate=arguments.video_bitrate, codec=arguments.codec
                )
            )
    return found


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password_stdin:
        password = _first_line()
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {arguments.user}: ")
    else:
        raise ValueError("no terminal to ask for the password: use --password-stdin")
    if not password:
        raise ValueError("the password is empty")
    return password


def _first_line() -> str:
    """Read one line of standard input and not a byte more: what follows is typed in the room."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace").rstrip("\r")


async def _ask(fingerprint: bytes) -> bool:
    from tcproto.identity import format_fingerprint

    question = (
        f"The server's key is not known here yet. Its fingerprint is\n  {format_fingerprint(fingerprint)}\n"
        "Compare it with what the operator tells you. Is it the same? [y/N] "
    )
    sys.stderr.write(question)
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    answer = loop.create_future()

    def answered(line: bytes) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        line = os.read(0, MAX_ANSWER)
        with contextlib.suppress(RuntimeError):  # the loop was closed by Ctrl-C
            loop.call_soon_threadsafe(answered, line)

    # A thread of the loop's pool would have to be waited for: Ctrl-C would do nothing until a line is typed.
    threading.Thread(target=read, daemon=True).start()
    return (await answer).strip().lower() in (b"y", b"yes")
