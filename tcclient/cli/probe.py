"""``tcclient probe``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from tcclient.cli.exits import FAILED, UNTRUSTED

if TYPE_CHECKING:
    from tcclient.transport.probe import ProbeResult


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "probe",
        help="look at a server: versions, fingerprint, round trips, the rate of the line, and what will work",
        description=(
            "Looks at a server without logging in, measures the line for some seconds, and says whether sound and\n"
            "pictures will work. Sound goes by UDP, or in the TCP connection (the stream) where UDP is blocked.\n"
            "Exit status: 0 sound will get through, 1 no server, or neither UDP nor stream,\n"
            "4 not the fingerprint in the link."
        ),
        epilog="examples:\n  tcclient probe tc://conference.example",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "link", metavar="LINK", help="HOST[:PORT], or tc://HOST[:PORT][/?fp=...], whose fingerprint is compared"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_probe)


def _probe(arguments: argparse.Namespace) -> int:
    from tcclient.cli.verdict import pictures, rates, sound
    from tcclient.transport.loop import run
    from tcclient.transport.probe import probe
    from tcproto.foreign import visible
    from tcproto.identity import format_fingerprint
    from tcproto.link import parse_server

    link = parse_server(arguments.link)
    try:
        result = run(probe(link))
    except TimeoutError:
        raise OSError(f"{link.address}: no answer") from None
    except OSError as error:
        raise OSError(f"{link.address}: {error.strerror or error}") from None
    expected = link.fingerprint is None or link.fingerprint == result.fingerprint
    figures = {
        "host": result.host,
        "port": result.port,
        "address": result.address,
        "software": result.software,
        "versions": list(result.versions),
        "fingerprint": format_fingerprint(result.fingerprint),
        "fingerprint_as_in_link": expected,
        "tcp_rtt_ms": round(result.tcp_rtt_ms, 2),
        "udp_works": result.udp_works,
        "udp_sent": result.udp_sent,
        "udp_received": result.udp_received,
        "udp_rtt_ms": None if result.udp_rtt_ms is None else round(result.udp_rtt_ms, 2),
        "up_bits_per_second": None if result.up_rate is None else round(result.up_rate),
        "down_bits_per_second": None if result.down_rate is None else round(result.down_rate),
        "stream_works": result.stream_works,
        "stream_rtt_ms": None if result.stream_rtt_ms is None else round(result.stream_rtt_ms, 2),
        "stream_up_bits_per_second": None if result.stream_up_rate is None else round(result.stream_up_rate),
        "stream_down_bits_per_second": None if result.stream_down_rate is None else round(result.stream_down_rate),
    }
    if arguments.json:
        print(json.dumps(figures))
    else:
        udp = (
            f"works, {result.udp_received} of {result.udp_sent} answered, {result.udp_rtt_ms or 0:.1f} ms, "
            f"{rates(result.up_rate, result.down_rate)}"
        )
        print(f"server       {link.address} ({result.address}), {visible(result.software) or 'unnamed'}")
        print(f"versions     {', '.join(map(str, result.versions))}")
        print(f"fingerprint  {figures['fingerprint']}{'' if expected else '  NOT the one in the link'}")
        print(f"TCP          {result.tcp_rtt_ms:.1f} ms")
        print(f"UDP          {udp if result.udp_works else 'does not get through'}")
        print(f"stream       {_stream(result)}")
        print(f"sound        {sound(result)}")
        print(f"pictures     {pictures(result)}")
    if not expected:
        return UNTRUSTED
    return 0 if result.udp_works or result.stream_works else FAILED


def _stream(found: ProbeResult) -> str:
    from tcclient.cli.verdict import rates

    if not found.stream_works:
        return "the server has none"
    if found.stream_rtt_ms is None:
        return "works, and was not measured"
    return f"works, {found.stream_rtt_ms:.1f} ms, {rates(found.stream_up_rate, found.stream_down_rate)}"
