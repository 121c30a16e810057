"""``tcclient forget``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tcclient.cli.arguments import named


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "forget",
        help="forget the key of a server, when its operator says that it is a new one",
        description=(
            "Forgets the key that a server was known by, so that the next link or answer is believed again.\n"
            "Do it only when the operator has told you, by a way that you trust, that the server has a new key."
        ),
        epilog="examples:\n  tcclient forget conference.example\n  tcclient forget --devices conference.example:7000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("server", metavar="SERVER", help="HOST, HOST:PORT or a join link")
    parser.add_argument(
        "--devices", action="store_true", help="also the devices that its accounts were seen with under that key"
    )
    parser.add_argument(
        "--data", metavar="DIR", type=named, help="where known servers are kept (default: your data folder)"
    )
    parser.set_defaults(command=_forget)


def _forget(arguments: argparse.Namespace) -> int:
    from tcclient.trust.identity import KnownServers, data_directory
    from tcclient.trust.known_devices import KnownDevices
    from tcproto.identity import format_fingerprint
    from tcproto.link import parse_server

    link = parse_server(arguments.server)
    directory = Path(arguments.data) if arguments.data else data_directory()
    servers = KnownServers(directory)
    try:
        fingerprint = servers.forget(link.host, link.port)
    except KeyError:
        raise ValueError(f"{link.address} is not known in {servers.path}") from None
    print(f"forgot {link.address}", "a damaged line" if fingerprint is None else format_fingerprint(fingerprint))
    if arguments.devices and fingerprint is not None:
        print(f"forgot {KnownDevices(directory).forget(fingerprint)} known devices of its accounts")
    return 0
