"""Messages of the stream path, and what a receiver makes of them."""

from __future__ import annotations

from typing import Any

from tcproto.stream_path import StreamPathError, frame, pack_control, pack_datagram, parse

_MESSAGES = {
    "bytes of the control connection": pack_control(b"\0\x05frame")[0],
    "a datagram": pack_datagram(bytes(range(28))),
    "a datagram without bytes, to be dropped": pack_datagram(b""),
    "a datagram that is too long, to be dropped": pack_datagram(bytes(1201)),
    "no kind": b"",
    "a control message without bytes": b"\0",
    "another kind": b"\2x",
}


def make() -> dict[str, Any]:
    """Each message with its kind, content and frame of a server, or with the code that ends the WebSocket."""
    return {"messages": [_message(name, message) for name, message in _MESSAGES.items()]}


def _message(name: str, message: bytes) -> dict[str, Any]:
    try:
        kind, rest = parse(message)
    except StreamPathError as error:
        return {"name": name, "message": message.hex(), "close": int(error.code)}
    return {
        "name": name,
        "message": message.hex(),
        "kind": int(kind),
        "rest": rest.hex(),
        "frame": frame(message).hex(),
    }
