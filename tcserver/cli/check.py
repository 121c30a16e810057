"""``tcserver check`` and ``tcserver health``: whether a server could work here, and whether it does."""

from __future__ import annotations

import argparse
import json

from tcserver.cli.parser import Commands, add_command, data_directory
from tcserver.config.configuration import ConfigurationError, Sources
from tcserver.config.sections import Configuration

FAILED = 1
_ANY = ("0.0.0.0", "::")  # noqa: S104
_WIDTH = 20
"""Columns of the subjects."""


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    add_command(
        commands,
        "check",
        _check,
        "check the configuration and the machine, and the way to the running server",
        "tcserver check --data /srv/conference",
        "",
        "Changes nothing. Call it before the first start, and again while the server runs: then it tests the ports, on",
        "this machine and by the address that people use. The exit status is 1 if the server could not start, if it or",
        'another one answers wrongly, or if media.sender is "bpf" and that does not work here, as this user.',
    )
    health = add_command(
        commands,
        "health",
        _health,
        "ask the running server for an answer, over TCP and with a datagram through its media",
        "tcserver health --data /srv/conference",
        "",
        "For supervisors and containers. It asks on this machine, at the first of server.addresses.",
        "Exit status: 0 both answer, 1 the server does not answer, or another one does.",
    )
    health.add_argument("--json", action="store_true", help="print the answer as JSON")


def _check(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    from tcserver.daemon.machine import look_at_machine, look_at_network

    directory = data_directory(sources)
    _tell("configuration", "can be used")
    stops = False
    for finding in look_at_machine(configuration, directory):
        _tell(finding.subject, finding.text)
        stops = stops or finding.stops
    stops = not _copies(configuration) or stops
    for finding in look_at_network(configuration, directory):
        _tell(finding.subject, finding.text)
        stops = stops or finding.stops
    return FAILED if stops else 0


def _copies(configuration: Configuration) -> bool:
    """Try what ``media.sender = "bpf"`` needs. Return False where the operator wants it, and it does not work."""
    import asyncio  # only these commands need the event loop and the media code

    from tcserver.media.opening import FAN_OUT, try_fan_out

    try:
        asyncio.run(try_fan_out())
    except OSError as error:
        print(f"copies by the kernel do not work here: {error.strerror or error}")
        return configuration.media.sender != FAN_OUT
    print(f'copies by the kernel work here: media.sender = "{FAN_OUT}"')
    return True


def _health(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    server, own = configuration.server, data_directory(sources).identity().fingerprint
    if not server.port:
        raise ConfigurationError("server.port is 0: name the port of the running server with --set server.port=PORT")
    import asyncio

    from tcserver.daemon.self_probe import NoSign, probe_server

    host = next((address for address in server.addresses if address not in _ANY), "127.0.0.1")
    try:
        sign = asyncio.run(probe_server(host, server.port))
    except NoSign as error:
        raise OSError(f"{host}, port {server.port}: {error}") from None
    if sign.fingerprint != own:
        raise OSError(f"{host}, port {server.port}: another server answers")
    healthy = sign.udp is not None
    if arguments.json:
        udp_ms = None if sign.udp is None else round(sign.udp * 1000, 2)
        print(json.dumps({"healthy": healthy, "tcp_ms": round(sign.tcp * 1000, 2), "udp_ms": udp_ms}))
    else:
        udp = "no answer" if sign.udp is None else f"{sign.udp * 1000:.1f} ms"
        print(f"TCP {sign.tcp * 1000:.1f} ms, UDP {udp}")
    return 0 if healthy else FAILED


def _tell(subject: str, text: str) -> None:
    print(f"{subject:<{_WIDTH}} {text}")
