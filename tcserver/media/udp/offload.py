"""Self-tests: does this kernel cut trains apart when it sends, and put them together when it receives?"""

from __future__ import annotations

import socket
import struct

from tcserver.media.udp.native import SEGMENT_SIZE, SOL_UDP, UDP_GRO, UDP_SEGMENT

_SIZE = 100
_TRAIN = bytes(range(250))
"""Two datagrams of ``_SIZE`` and a shorter one."""
_PATIENCE = 1.0
"""Seconds to wait. The loopback interface delivers at once or never."""


def can_send_trains() -> bool:
    """Return whether a train that is sent arrives as its datagrams."""
    try:
        with _receiver() as receiver:
            _send_train(receiver)
            return [receiver.recv(len(_TRAIN)) for _ in range(3)] == [_TRAIN[:100], _TRAIN[100:200], _TRAIN[200:]]
    except OSError:
        return False


def can_receive_trains() -> bool:
    """Return whether a train that is sent arrives as one message, with the size of its datagrams."""
    try:
        with _receiver() as receiver:
            receiver.setsockopt(SOL_UDP, UDP_GRO, 1)
            _send_train(receiver)
            data, controls, _, _ = receiver.recvmsg(len(_TRAIN), socket.CMSG_SPACE(4))
            return data == _TRAIN and controls == [(SOL_UDP, UDP_GRO, struct.pack("@i", _SIZE))]
    except (OSError, AttributeError):
        return False


def _receiver() -> socket.socket:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        receiver.settimeout(_PATIENCE)
        receiver.bind(("127.0.0.1", 0))
    except OSError:
        receiver.close()
        raise
    return receiver


def _send_train(receiver: socket.socket) -> None:
    if not hasattr(socket.socket, "sendmsg"):
        raise OSError("no control messages here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendmsg([_TRAIN], [(SOL_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(_SIZE))], 0, receiver.getsockname())
