"""Sockets that share a port: which of them gets a datagram is in its header. Linux only."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Sequence

SLOT_OFFSET = 5
"""Of the low byte of the id in a datagram header (PROTOCOL.md, section 6): the worker's slot."""
_SO_ATTACH_REUSEPORT_CBPF = 51
"""``asm-generic/socket.h``; the socket module does not name it."""
_LOAD_BYTE = 0x30
"""``BPF_LD | BPF_B | BPF_ABS``: A becomes the byte at k; beyond the end of the payload the program returns 0."""
_MODULO = 0x94
"""``BPF_ALU | BPF_MOD | BPF_K``: A becomes A mod k."""
_RETURN = 0x16
"""``BPF_RET | BPF_A``."""
_INSTRUCTION = struct.Struct("@HBBI")


def share_port(sock: socket.socket) -> None:
    """Let other sockets of ours bind the same address, each with this call before; raises ``OSError``."""
    if sys.platform != "linux":
        raise OSError("media workers need Linux: only there a datagram can be steered to one of several processes")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def steer(group: Sequence[socket.socket]) -> None:
    """Give each datagram to the socket whose place in ``group`` is the slot in its header; raises ``OSError``.

    The sockets share a port and were bound in this order. None may be closed while another is in use: the kernel would
    put the last one in its place.
    """
    program = b"".join(
        _INSTRUCTION.pack(code, 0, 0, k) for code, k in ((_LOAD_BYTE, SLOT_OFFSET), (_MODULO, len(group)), (_RETURN, 0))
    )
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(code))
    group[0].setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, filter_)
