"""Why the media plane drops what it does not forward, what may fail in it, and how much it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from tcserver.media.forwarding.path import PathChange


class PacketKind(StrEnum):
    """What the stream of a packet carries. In each there may be packets of types that are unknown here."""

    AUDIO = "audio"
    VIDEO = "video"
    BEACON = "beacon"


class Drop(StrEnum):
    """Why a datagram, an item of it, or an answer to it was dropped."""

    LENGTH = "length"
    """datagram: shorter than a box around nothing, or longer than allowed"""
    VERSION = "version"
    KIND = "kind"
    """datagram: of a kind that no client may send"""
    UNKNOWN_ID = "unknown_id"
    EPOCH = "epoch"
    """datagram: under a key that the seat does not have, or no longer"""
    DUPLICATE = "duplicate"
    OLD = "old"
    """datagram: counter below the replay window"""
    BOX = "box"
    """datagram: forged or damaged"""
    SEAT_RATE = "seat_rate"
    """datagram: more, or larger, than all that the seat publishes may bring"""
    ITEMS = "items"
    """datagram: an item is cut off, or there are too many"""
    PING_RATE = "ping_rate"
    """ping: more often than pings are answered"""
    BANDWIDTH_PROBE_RATE = "bandwidth_probe_rate"
    """datagram of a bandwidth probe: more than the share of a seat, or asked for from an address that is not proved"""
    URGENT_RATE = "urgent_rate"
    """urgent message: more than the share of a seat, in either direction"""
    ITEM = "item"
    """item: malformed, or more of its type than one datagram may hold"""
    PATH_TOKEN = "path_token"  # noqa: S105 - a reason, not a secret
    """path response: wrong, late, or from another address than was asked"""
    BUDGET = "budget"
    """answer: an address that has not proved itself has been sent three times what it sent"""
    COUNTER_SPENT = "counter_spent"
    """answer or room datagram: the counter of its key is at its end"""
    PACKET_LENGTH = "packet_length"
    PACKET_HEADER = "packet_header"
    COPY = "copy"
    """copies: malformed, without a packet before them, or more than fits a room datagram"""
    UNKNOWN_STREAM = "unknown_stream"
    FOREIGN_STREAM = "foreign_stream"
    """packet: of a stream that another seat publishes"""
    PACKET_TYPE = "packet_type"
    """packet: not of the kind that was published"""
    MUTED = "muted"
    LAYER = "layer"
    """packet: of a layer that was not published"""
    RATE = "rate"
    """packet: above the caps of its stream"""
    PACKET_DUPLICATE = "packet_duplicate"
    PACKET_OLD = "packet_old"
    SURPLUS_COMFORT = "surplus_comfort"
    """packet: silence, sent more often than needed"""
    NO_RECEIVER = "no_receiver"
    """packet: nobody with a proven path wants it"""
    NOT_KEPT = "not_kept"
    """request: for a packet that is not kept, or not for the asker"""
    REPEAT_RATE = "repeat_rate"
    """request, or the datagram it is for: asked for a moment ago, or more than the share of one receiver"""
    REPORT_RATE = "report_rate"
    """report: more often than reports are looked at"""
    PROBE_SPENT = "probe_spent"
    """probe: the ticket is over, in time or in datagrams"""
    PROBE_SHORT = "probe_short"
    """probe: shorter than its answer"""
    RELAY_SOURCE = "relay_source"
    """relayed message: not from another media worker of this server"""
    RELAY_MESSAGE = "relay_message"
    """relayed message: malformed, or about a room that is not open"""
    RELAY_AUDIENCE = "relay_audience"
    """relayed datagram: the audience is not known, or no longer; the other worker is asked for it"""
    INTERNAL = "internal"
    """datagram: handling it failed unexpectedly"""


class Fault(StrEnum):
    """What failed because of a bug in the server. The rest of the media plane goes on."""

    DATAGRAM = "datagram"
    """it was dropped"""
    COMMAND = "command"
    """it was carried out in part or not at all; its room begins anew"""
    ROOM = "room"
    """what was due in a room, such as the decision who speaks, was not done this time"""
    SEAT = "seat"
    """the path and the keys of a seat were not checked this time"""


class Dropped(Exception):
    """Ends the handling of a datagram or an item. It never leaves the media plane."""

    def __init__(self, reason: Drop) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Counters:
    """Totals of a media plane since its start."""

    received: int = 0
    """Datagrams, bad ones included."""
    received_bytes: int = 0
    accepted: int = 0
    """Datagrams that opened."""
    uplink_sent: int = 0
    """Datagrams that seats have sent, as the counters in those that arrived show."""
    uplink_received: int = 0
    """How many of them arrived."""
    uplink_reordered: int = 0
    """Those of them that a later one had overtaken. All three are as of the last ``MediaSeat.flush_counters``."""
    uplink_pings: int = 0
    """Pings of seats."""
    uplink_late: int = 0
    """Pings that took at least ``LATE`` longer to come than the quickest of their seat."""
    forwarded: int = 0
    """Packets that went to at least one receiver, counted once for each variant."""
    held: int = 0
    """Audio packets kept back because others are louder; the newest of a stream may still be sent later."""
    sealed: int = 0
    """Room datagrams."""
    sent: int = 0
    """Datagrams handed out for sending, counted once for each receiver."""
    sent_bytes: int = 0
    repeated: int = 0
    """Room datagrams that were sent again to a receiver that asked for them; they count as sent, too."""
    relayed_out: int = 0
    """Room datagrams handed on to another media worker, counted once for each worker."""
    relayed_in: int = 0
    """Room datagrams that another media worker handed on."""
    packets_received: dict[PacketKind, int] = field(default_factory=lambda: dict.fromkeys(PacketKind, 0))
    """Packets of open streams, without copies."""
    packets_forwarded: dict[PacketKind, int] = field(default_factory=lambda: dict.fromkeys(PacketKind, 0))
    """``forwarded`` by kind. The counts of open streams come to both with ``MediaStream.flush_counters``."""
    paths: dict[PathChange, int] = field(default_factory=lambda: dict.fromkeys(PathChange, 0))
    drops: dict[Drop, int] = field(default_factory=lambda: dict.fromkeys(Drop, 0))
    faults: dict[Fault, int] = field(default_factory=lambda: dict.fromkeys(Fault, 0))


class Faults:
    """Unexpected exceptions: each is counted, and ends only what it happened in. The last one is kept for the log."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._last: tuple[Fault, Exception] | None = None

    def note(self, fault: Fault, error: Exception) -> None:
        """Count an error."""
        self._counters.faults[fault] += 1
        self._last = fault, error

    @contextmanager
    def within(self, fault: Fault) -> Iterator[None]:
        """Return a context that catches and counts an exception."""
        try:
            yield
        except Exception as error:
            self.note(fault, error)

    def take(self) -> tuple[Fault, Exception] | None:
        """Return what failed last, and forget it; None: nothing did."""
        last, self._last = self._last, None
        return last
