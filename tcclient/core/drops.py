"""Why a datagram, or a packet in one, was dropped."""

from __future__ import annotations

from enum import StrEnum


class Drop(StrEnum):
    """Named reasons; a bad datagram is counted under one of them and never answered."""

    SIZE = "size"
    """Shorter than a header and a tag, or longer than a datagram may be."""
    VERSION = "version"
    """Another protocol version."""
    KIND = "kind"
    """Not a kind that a client receives."""
    UNKNOWN_ID = "unknown_id"
    """Neither our media id nor a sealer of the room."""
    UNKNOWN_EPOCH = "unknown_epoch"
    """No key of this epoch, or not any more."""
    REPLAY = "replay"
    """The counter was seen, or is too old to tell."""
    AHEAD = "ahead"
    """The counter is farther ahead than the sealer can be."""
    NOT_OPENED = "not_opened"
    """The box of the datagram did not open."""
    MALFORMED = "malformed"
    """The items of an opened datagram are malformed."""
    PACKET_MALFORMED = "packet_malformed"
    """A packet's header or padding is malformed, or it is of another type than its stream."""
    UNKNOWN_STREAM = "unknown_stream"
    """No publication in the room has this stream."""
    UNVERIFIED = "unverified"
    """The publisher's member signature does not hold."""
    NO_KEY = "no_key"
    """The sender key did not come in time."""
    PACKET_REFUSED = "packet_refused"
    """Replayed end to end, under an expired key, or its box did not open."""
    QUEUE_FULL = "queue_full"
    """The application does not take its media."""
    KEY_BOX = "key_box"
    """A key box that did not open, was made for something else, or whose number came before."""
    COUNTER_SPENT = "counter_spent"
    """Not sent: the counter of the up key is at its end."""
