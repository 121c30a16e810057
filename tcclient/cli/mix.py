"""``tcclient mix``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tcclient.cli.exits import FAILED


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "mix",
        help="mix a recording, which has a file for each speaker, into one file of sound",
        description=(
            "Reads the folder that `tcclient join --record DIR` has written, and mixes all speakers in step.\n"
            "The files of the speakers stay as they are. A file that cannot be read is left out, and named.\n"
            "Exit status: 0 done, 1 something was left out or could not be written, 2 this is no recording."
        ),
        epilog="examples:\n  tcclient mix recordings\n  tcclient mix recordings --index index-2.json --output b.ogg",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of the recording")
    parser.add_argument(
        "--index",
        metavar="NAME",
        default="index.json",
        help="of a further recording in the folder (default: index.json)",
    )
    parser.add_argument("--output", metavar="FILE", help="an Ogg file, which must not exist (default: DIR/meeting.ogg)")
    parser.set_defaults(command=_mix)


def _mix(arguments: argparse.Namespace) -> int:
    from tcclient.errors import MediaFileError
    from tcclient.playout.mixdown import mix_down
    from tcproto.foreign import visible

    folder = Path(arguments.folder)
    output = Path(arguments.output) if arguments.output else folder / "meeting.ogg"
    left_out: list[MediaFileError] = []

    def tell(error: MediaFileError) -> None:
        left_out.append(error)
        print(f"tcclient: left out: {visible(str(error))}", file=sys.stderr)

    seconds = round(mix_down(folder / arguments.index, output, tell))
    print(f"{output}: {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}")
    return FAILED if left_out else 0
