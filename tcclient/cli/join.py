"""``tcclient join``: options, password, and the trust in a server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcclient.cli.arguments import named
from tcclient.cli.commands import help_lines
from tcproto.account import MAX_PASSWORD_BYTES, read_password

if TYPE_CHECKING:
    from tcclient.cli.sending import Makers
    from tcclient.sources import AnySource, AudioSource, VideoSource
    from tcproto.messages import Source

_EPILOG = """\
examples:
  tcclient join tc://HOST/rapat --user dinkes --name "Kepala Dinas" --listen
  tcclient join tc://HOST/rapat --user dinkes --name "Kepala Dinas" --audio speech.wav --video clip.mp4 --record DIR
  tcclient join tc://HOST/rapat --user dinkes --audio mic --video camera --speaker
  tcclient join tc://HOST/rapat --user dinkes --audio tone --seconds 60 --json --password-stdin < password.txt

In the room each typed line is a text to all. A line that begins with a slash is a command:
{commands}

exit status:
  0 you left, or all sources have ended; 1 the network, the disk or the connection failed;
  2 an argument, a link or a file is wrong; 3 the server refused you, or ended your seat;
  4 the key of the server is not trusted, or it said what no honest server says;
  5 the account or the password is wrong; 6 you were removed from the room (kicked);
  7 the meeting was closed for all; 130 interrupted before you were in the room

With --json each line of standard output is an object with "event". "joined" has the roster with its marks; an "error"
has "text", the server's "code" if there is one, and "input" if a typed line was refused. "lines_lost" tells how many
lines a slow reader missed.
"""

MIN_BITRATE, MAX_BITRATE = 1_000, 100_000_000
"""Least and most bit/s of pictures that the encoders take."""
MAX_ANSWER = 1024
"""Bytes of the line that answers a question."""
MAX_PASSWORD_LINE = MAX_PASSWORD_BYTES + 8
"""Bytes of the line with the password: in addition to it a byte order mark and the end of the line."""


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "join",
        help="join a room: speak, show video, hear, record, chat",
        description="Joins the room of a link until Ctrl-C, /quit, --seconds, or the end of the meeting.",
        epilog=_EPILOG.format(commands="\n".join(f"  {line}" for line in help_lines())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "link",
        metavar="LINK",
        help="tc://HOST[:PORT]/ROOM[?fp=...], from the operator; put it in quotes, because of ? and &",
    )
    who = parser.add_argument_group("who")
    who.add_argument("--user", required=True, metavar="NAME", help="the account, from the operator")
    who.add_argument("--name", metavar="TEXT", help="your name, shown behind that of the agency (default: the account)")
    who.add_argument("--password-stdin", action="store_true", help="read the password from the first line of input")
    who.add_argument(
        "--data",
        metavar="DIR",
        type=named,
        help="where the key of this device and known servers are kept (default: your data folder)",
    )
    send = parser.add_argument_group("what to send")
    send.add_argument("--audio", metavar="WHAT", type=named, help="a file, 'tone', or 'mic[:DEVICE]'")
    send.add_argument("--video", metavar="WHAT", type=named, help="a file, 'test', or 'camera[:DEVICE]'")
    send.add_argument(
        "--screen", metavar="WHAT", type=named, help="a file or 'test', shown as a screen beside the camera"
    )
    send.add_argument(
        "--screen-audio",
        metavar="WHAT",
        type=named,
        help="what a screen plays, beside the microphone: as --audio; the gate leaves it alone",
    )
    send.add_argument("--loop", action="store_true", help="repeat files, until you leave")
    send.add_argument(
        "--gate",
        choices=("open", "voice", "push-to-talk"),
        default="open",
        help="send sound always, only while somebody speaks, or between /talk and /hush (default: open)",
    )
    send.add_argument("--codec", choices=("vp8", "h264"), default="vp8", help="of the video (default: vp8)")
    send.add_argument(
        "--video-bitrate", metavar="BIT/S", type=int, default=0, help="of the video (default: by its size)"
    )
    get = parser.add_argument_group("what to do with received media")
    get.add_argument(
        "--listen", action="store_true", help="send nothing; without a terminal, print lines that say who speaks"
    )
    get.add_argument(
        "--record", metavar="DIR", type=named, help="write an Ogg file for each speaker, and MKV if there is video"
    )
    get.add_argument(
        "--no-video", action="store_true", help="record sound alone (without --record no pictures are received anyway)"
    )
    get.add_argument(
        "--voices", metavar="N", type=int, default=0, help="get the N loudest voices at a time (default: all)"
    )
    get.add_argument(
        "--max-height", metavar="LINES", type=int, default=0,
        help="of pictures that are sent in several sizes, get the largest with at most LINES (default: any)",
    )  # fmt: skip
    get.add_argument(
        "--data-cap", metavar="SIZE",
        help="such as 100M: at 80 %% of it no pictures come or go any more, at 100 %% one voice comes at a time and "
        "sound is sent at its lowest rate (default: no limit)",
    )  # fmt: skip
    get.add_argument("--speaker", action="store_true", help="play on the loudspeaker")
    parser.add_argument(
        "--path",
        choices=("auto", "udp", "stream"),
        default="auto",
        help="how sound and pictures travel: by UDP, or in the TCP connection while UDP is blocked; "
        "or by one of them only (default: auto)",
    )
    parser.add_argument("--seconds", metavar="S", type=float, help="leave after that time")
    parser.add_argument("--leave-at-end", action="store_true", help="leave when all sources have ended")
    parser.add_argument(
        "--no-e2ee",
        action="store_true",
        help="allow a room without end-to-end encryption, if the link has e2ee=off, too",
    )
    parser.add_argument(
        "--once", action="store_true", help="do not try again if the server is busy or the connection is lost"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each event, for scripts")
    parser.set_defaults(command=_join)


def _join(arguments: argparse.Namespace) -> int:
    try:
        return _attend(arguments)
    except Exception as error:
        if arguments.json:
            print(json.dumps(_described(error)))
        raise


def _described(error: Exception) -> dict[str, Any]:
    """Return an error as JSON shows it to a script; ``code`` is the server's."""
    from tcclient.errors import JoinRefused, LoginRefused, RoomClosed

    said = error if isinstance(error, LoginRefused | JoinRefused | RoomClosed) else None
    return {
        "event": "error",
        "error": type(error).__name__,
        "code": None if said is None else said.code,
        "text": str(error),
        "retry_after_ms": 0 if said is None else said.retry_after_ms,
    }


def _attend(arguments: argparse.Namespace) -> int:
    from tcclient.audio.gate import GateMode
    from tcclient.cli.attend import Attending, Wishes
    from tcclient.cli.limits import parse_size
    from tcclient.core.settings import AUDIO_ONLY, DEFAULT_SOURCES
    from tcclient.errors import JoinRefused
    from tcclient.recording.folder import prepare_folder
    from tcclient.transport.loop import run
    from tcclient.trust.account_secret import AccountSecret
    from tcproto.errors import ErrorCode
    from tcproto.link import parse_link
    from tcproto.messages.types import MAX_VOICES

    sends = arguments.audio or arguments.video or arguments.screen or arguments.screen_audio
    if arguments.listen and sends:
        raise ValueError("--listen sends nothing: leave out --audio, --video, --screen and --screen-audio")
    if not 0 <= arguments.voices <= MAX_VOICES:
        raise ValueError(f"--voices is from 0, for all, to {MAX_VOICES}")
    if arguments.max_height < 0:
        raise ValueError("--max-height is at least 0, for any")
    if arguments.leave_at_end and not sends:
        raise ValueError("--leave-at-end needs something to send")
    if arguments.seconds is not None and not arguments.seconds > 0:  # nan is no time, either
        raise ValueError("--seconds is more than 0")
    link = parse_link(arguments.link)
    if not link.room:
        raise ValueError("the link names no room: tc://HOST/ROOM")
    if not link.e2ee and not arguments.no_e2ee:
        raise JoinRefused(
            "end-to-end encryption is required, and off in this room; --no-e2ee allows that", ErrorCode.MODE_MISMATCH
        )
    makers = _makers(arguments)
    sources = _sources(arguments, makers)
    if arguments.record:
        prepare_folder(Path(arguments.record))
    wishes = Wishes(
        link=link,
        user=arguments.user,
        password=AccountSecret(_password(arguments)),
        name=arguments.name or arguments.user,
        data=Path(arguments.data) if arguments.data else None,
        trust=_ask if sys.stdin.isatty() and not arguments.password_stdin else None,
        require_e2ee=not arguments.no_e2ee,
        sources=DEFAULT_SOURCES if arguments.record and not arguments.no_video else AUDIO_ONLY,
        gate=GateMode(arguments.gate),
        record=Path(arguments.record) if arguments.record else None,
        speaker=arguments.speaker,
        seconds=arguments.seconds,
        leave_at_end=arguments.leave_at_end,
        json=arguments.json,
        once=arguments.once,
        path=arguments.path,
        voices=arguments.voices,
        max_height=arguments.max_height,
        data_cap=parse_size(arguments.data_cap, "--data-cap") if arguments.data_cap is not None else 0,
        listen=arguments.listen,
    )
    return run(Attending(wishes, sources, makers).attend())


def _makers(arguments: argparse.Namespace) -> Makers:
    """Return the functions that open a microphone and a camera. Without a name they open those of the command line."""
    from tcclient import sources
    from tcproto.messages import Source

    _, _, microphone = _device(arguments.audio, "mic")
    _, _, camera = _device(arguments.video, "camera")
    bitrate, codec = arguments.video_bitrate, arguments.codec
    return {
        Source.MICROPHONE: lambda device: sources.microphone(device or microphone or None),
        Source.CAMERA: lambda device: sources.camera(device or camera or None, codec=codec, bitrate=bitrate),
    }


def _device(what: str | None, kind: str) -> tuple[str, str, str]:
    kind_asked, colon, device = (what or "").partition(":")
    return (kind_asked, colon, device) if kind_asked == kind else ("", "", "")


def _sources(arguments: argparse.Namespace, makers: Makers) -> list[AnySource]:
    """Open the sources. A source that can never be sent is refused now, and not in the room."""
    from tcclient.capture.intake import check_source
    from tcproto.messages import Source

    bitrate = arguments.video_bitrate
    if bitrate and not MIN_BITRATE <= bitrate <= MAX_BITRATE:
        raise ValueError(f"--video-bitrate is {MIN_BITRATE} to {MAX_BITRATE} bit/s, not {bitrate}")
    _check_pipes(arguments.audio, arguments.video, arguments.screen, arguments.screen_audio)
    found: list[AnySource] = []
    if arguments.audio:
        found.append(_sound(arguments.audio, arguments.loop, Source.MICROPHONE))
    if arguments.video and _device(arguments.video, "camera")[0]:
        found.append(makers[Source.CAMERA](None))
    elif arguments.video:
        found.append(_pictures(arguments.video, arguments, Source.CAMERA))
    if arguments.screen:
        found.append(_pictures(arguments.screen, arguments, Source.SCREEN))
    if arguments.screen_audio:
        found.append(_sound(arguments.screen_audio, arguments.loop, Source.SCREEN_AUDIO))
    for source in found:
        check_source(source)
    return found


def _sound(what: str, loop: bool, source: Source) -> AudioSource:
    """Open a file, a tone or a microphone. A microphone may also be a device that records what this machine plays."""
    from tcclient import sources
    from tcproto.messages import Source

    kind, _, device = _device(what, "mic")
    if kind and source is Source.SCREEN_AUDIO:
        made = sources.microphone(device or None, bitrate=sources.SCREEN_AUDIO_BITRATE, dtx=False)
    elif kind:
        made = sources.microphone(device or None)
    elif what == "tone":
        made = sources.tone()
    else:
        made = sources.audio_file(what, loop=loop, source=source)
    return replace(made, source=source, low_rate=True)


def _pictures(what: str, arguments: argparse.Namespace, source: Source) -> VideoSource:
    """Open a file or the test picture."""
    from tcclient import sources

    bitrate, codec = arguments.video_bitrate, arguments.codec
    if what == "test":
        return replace(sources.moving_bars(codec=codec, bitrate=bitrate), source=source)
    return sources.video_file(what, loop=arguments.loop, bitrate=bitrate, codec=codec, source=source)


def _check_pipes(*files: str | None) -> None:
    """Refuse one pipe for both sound and pictures: each would get half of it."""
    seen: list[str] = []
    for file in filter(None, files):
        with contextlib.suppress(OSError):  # a wrong path is reported when it is opened
            if Path(file).is_fifo() and any(os.path.samefile(file, other) for other in seen):
                raise ValueError(f"{file} is a pipe, which can be read only once: save it to a file")
        if os.path.exists(file):
            seen.append(file)


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password_stdin:
        password = _first_line()
    elif sys.stdin.isatty():
        typed = getpass.getpass(f"Password of {arguments.user}: ")
        password = read_password(typed.encode(errors="surrogateescape"))  # the locale may not be able to decode it
    else:
        raise ValueError("no terminal to ask for the password: use --password-stdin")
    if not password:
        raise ValueError("the password is empty")
    return password


def _first_line() -> str:
    """Read one line of standard input and not a byte more: the rest is typed in the room."""
    line = bytearray()
    try:
        while (byte := os.read(0, 1)) not in (b"", b"\n"):
            line += byte
            if len(line) > MAX_PASSWORD_LINE:
                raise ValueError(f"the password has more than {MAX_PASSWORD_BYTES} bytes")
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard input") from error
    return read_password(bytes(line))


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

    # The loop waits for threads of its pool, so Ctrl-C would do nothing until a line is typed.
    threading.Thread(target=read, daemon=True).start()
    return (await answer).strip().lower() in (b"y", b"yes")
