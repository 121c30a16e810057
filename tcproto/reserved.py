"""What is reserved: its bytes are fixed, and nothing uses it yet. Appendix A of PROTOCOL.md has this table.

A reserved thing has a row here until the server or the client uses it, or until it is removed. A test holds the table
against the code: each name exists, no other module uses one, and whatever in this package is without a user is here.
"""

from __future__ import annotations

from typing import NamedTuple


class Reserved(NamedTuple):
    """A row of the table."""

    what: str
    """As PROTOCOL.md calls it, in Markdown."""
    names: tuple[str, ...]
    """Names in this package, from the module on: ``account.sign_account_change``. Common names are left out."""
    today: str
    """What version 1 does with it."""


_SKIPPED = "is not sent; a reader skips it"

RESERVED = (
    Reserved(
        "features of the hellos",
        ("messages.login.ClientHello.features", "messages.login.ServerHello.features"),
        "both sides list none, and ignore what the other lists",
    ),
    Reserved(
        "fields `host` and `port` of `media_move`",
        (),
        "no server names another address; a client stays at the one that it has",
    ),
    Reserved(
        "kind and source `data`, packet type DATA",
        ("messages.types.Source.DATA", "messages.types.Kind.DATA", "packet.PacketType.DATA"),
        "a server refuses to publish it (`bad_request`)",
    ),
    Reserved(
        "packet type REPAIR",
        ("packet.PacketType.REPAIR",),
        "is not sent; a server forwards it as any type that it does not know, a client drops it",
    ),
    Reserved(
        "error code `room_exists`",
        ("errors.ErrorCode.ROOM_EXISTS",),
        "no answer has it: no message makes a room that must be new",
    ),
    Reserved(
        "datagram kind RELAY",
        ("datagram.Kind.RELAY",),
        "nothing goes from server to server; the media processes of one server use the number among themselves",
    ),
    Reserved(
        "item KEYFRAME_REQUEST",
        ("datagram.ItemType.KEYFRAME_REQUEST",),
        "no client sends it; a server takes it *up* for the message `keyframe_request`",
    ),
    Reserved(
        "item HEADS",
        ("datagram.ItemType.HEADS", "feedback.Head", "feedback.pack_heads", "feedback.parse_heads"),
        _SKIPPED,
    ),
    Reserved(
        "item NOT_SENT",
        ("datagram.ItemType.NOT_SENT", "feedback.NotSent", "feedback.parse_not_sent"),
        _SKIPPED,
    ),
)
"""All that is reserved, in the order of PROTOCOL.md."""
