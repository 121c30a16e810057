"""Values of items of the media path."""

from __future__ import annotations

from typing import Any

from tcproto import codec, copies, feedback, path
from tcproto.datagram import ItemType
from tcproto.messages import Source, Subscribe, row_of
from tcproto.urgent import pack_urgent
from tests.vectors.inputs import COPIES, HEADS, SEALER, SERIES


def cases() -> list[tuple[ItemType, Any, bytes]]:
    """The type of an item, its fields, its value."""
    ping = path.PingItem(7, 0x11223344)
    pong = path.PongItem(7, 0x11223344, 0x55667788, 2**40 + 5, 1234)
    positions = [path.Position(SEALER, 2**33), path.Position(1, 0)]
    arrivals = feedback.ArrivalReport(2**32 + 8, (None, 1_000_000, 1_020_000, None, 1_019_750, 1_200_000))
    receptions = [feedback.Reception(SEALER, SERIES, 1000, 17, 1016, 35, 120)]
    not_sent = feedback.NotSent(SEALER, SERIES, 0xFFF0, 4)
    again = feedback.RetransmissionRequest(SEALER, SERIES, 1000, 0x8001)
    counters = [2**40, 17]
    probe = path.ProbeRequest(7, 4, 300)
    wanted = Subscribe(3, (Source.MICROPHONE,), voices=2)
    message = {"t": row_of(Subscribe).name, "id": 9, **codec.encode_fields(wanted)}
    return [
        (ItemType.PING, ping, ping.pack()),
        (ItemType.PONG, pong, pong.pack()),
        (ItemType.POSITIONS, positions, path.pack_positions(positions)),
        (ItemType.COPIES, COPIES, copies.pack_copies(COPIES)),
        (ItemType.ARRIVAL_REQUEST, {"ms": 100}, feedback.pack_arrival_request(0.1)),
        (ItemType.ARRIVAL_REPORT, arrivals, arrivals.pack()),
        (ItemType.RECEIVER_REPORT, receptions, feedback.pack_receiver_report(receptions)),
        (ItemType.HEADS, {"sealer": SEALER, "heads": HEADS}, feedback.pack_heads(SEALER, HEADS)),
        (ItemType.NOT_SENT, not_sent, not_sent.pack()),
        (ItemType.RETRANSMISSION_REQUEST, again, again.pack()),
        (ItemType.BANDWIDTH_PROBE, probe, probe.pack()),
        (ItemType.RESEND_REQUEST, counters, feedback.pack_resend_request(counters)),
        (ItemType.URGENT, message, pack_urgent(wanted, 9) or b""),
    ]
