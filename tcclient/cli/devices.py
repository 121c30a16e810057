"""``tcclient devices``: lists the names that may follow mic: and camera:."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tcclient.cli.exits import FAILED


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "devices",
        help="list microphones, loudspeakers and cameras",
        description="Lists what --audio mic:DEVICE and --video camera:DEVICE of tcclient join can name.",
        epilog="examples:\n  tcclient devices\n  tcclient join tc://HOST/rapat --user dinkes --audio mic:Headset",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one object of JSON, for scripts")
    parser.set_defaults(command=_list)


def _list(arguments: argparse.Namespace) -> int:
    from tcclient.capture.devices import list_cameras, list_sound_devices
    from tcclient.errors import DeviceError

    problem = ""
    try:
        sound = list_sound_devices()
    except DeviceError as error:
        sound, problem = [], str(error)
    found = {
        "microphones": [device.name for device in sound if device.inputs],
        "loudspeakers": [device.name for device in sound if device.outputs],
        "cameras": list_cameras(),
    }
    if arguments.json:
        print(json.dumps({**found, "problem": problem or None}, ensure_ascii=False))
    else:
        for kind, names in found.items():
            print(f"{kind}:" if names else f"{kind}: none found")
            for name in names:
                print(f"  {''.join(c if c.isprintable() else '?' for c in name)}")
    if problem:
        print(f"tcclient: {problem}", file=sys.stderr)
        return FAILED
    return 0
