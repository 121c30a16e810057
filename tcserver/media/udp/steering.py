"""Steering: several sockets share a port, and the header of a datagram says which of them gets it. Linux only."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Collection, Sequence

from tcproto.datagram import MIN_DATAGRAM
from tcproto.packet import AUDIO_HEADER_SIZE

ID_OFFSET = 2
"""Where the id stands in a datagram header, in bytes (PROTOCOL.md, section 6)."""
SHORTEST_SOUND = MIN_DATAGRAM + 1 + AUDIO_HEADER_SIZE
"""Bytes of the shortest datagram with a packet of sound. Pings and path responses, which must not wait, have fewer."""
WORKER_OFFSET = 5
"""Where the low byte of the id stands, which is the number of the media worker."""
_SO_ATTACH_REUSEPORT_CBPF = 51
"""``asm-generic/socket.h``; the socket module does not name it."""
_LOAD_BYTE = 0x30
"""``BPF_LD | BPF_B | BPF_ABS``: A becomes the byte at offset k. Beyond the end of the payload the program returns 0."""
_LOAD_WORD = 0x20
"""``BPF_LD | BPF_W | BPF_ABS``: A becomes the four bytes at offset k, in network order."""
_MODULO = 0x94
"""``BPF_ALU | BPF_MOD | BPF_K``: A becomes A mod k."""
_RETURN = 0x16
"""``BPF_RET | BPF_A``."""
_RETURN_CONSTANT = 0x06
"""``BPF_RET | BPF_K``."""
_IF_EQUAL = 0x15
"""``BPF_JMP | BPF_JEQ | BPF_K``: if A is k, skips as many instructions as the first count says, else the second."""
_IF_AT_LEAST = 0x35
"""``BPF_JMP | BPF_JGE | BPF_K``: if A is at least k, skips as many as the first count says, else the second."""
_JUMP = 0x05
"""``BPF_JMP | BPF_JA``: skips k instructions."""
_LOAD_LENGTH = 0x80
"""``BPF_LD | BPF_W | BPF_LEN``: A becomes the length of the payload."""
_LEAF = 8
"""Ids that are compared one after the other; more are halved first."""
_INSTRUCTION = struct.Struct("@HBBI")
_Instructions = list[tuple[int, int, int, int]]
"""(code, instructions to skip if true, if false, k)."""


def share_port(sock: socket.socket) -> None:
    """Let other sockets of ours bind the same address. Call it for each of them; raises ``OSError``."""
    if sys.platform != "linux":
        raise OSError("only Linux steers datagrams among the sockets of a port, which media workers need")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def steer(group: Sequence[socket.socket], suppressed: Collection[int] = ()) -> None:
    """Give each datagram to the socket in ``group`` whose index is the worker in its header; raises ``OSError``.

    A datagram with one of the media ids ``suppressed`` that is long enough for sound goes to the second socket of its
    worker. If there are such ids, a second socket for each worker has to be bound after the group, in the same order.
    All sockets share a port and were bound in this order. None may be closed while another is in use: the kernel would
    put the last one in its place.
    """
    workers = len(group)
    otherwise = [(_LOAD_BYTE, 0, 0, WORKER_OFFSET), (_MODULO, 0, 0, workers), (_RETURN, 0, 0, 0)]
    seconds = [(media_id, workers + (media_id & 0xFF) % workers) for media_id in sorted(suppressed)]
    instructions: _Instructions = []
    if seconds:
        search = [(_LOAD_WORD, 0, 0, ID_OFFSET), *_search(seconds, 0)]
        instructions = [
            (_LOAD_LENGTH, 0, 0, 0),
            (_IF_AT_LEAST, 1, 0, SHORTEST_SOUND),
            (_JUMP, 0, 0, len(search)),
            *search,
        ]
    program = b"".join(_INSTRUCTION.pack(*instruction) for instruction in (*instructions, *otherwise))
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(code))
    group[0].setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, filter_)


def _search(places: Sequence[tuple[int, int]], behind: int) -> _Instructions:
    """Return a binary search for the id in A among ``places``, each (id, what the program returns for it).

    Where A is none of these ids, ``behind`` instructions after the search are skipped as well.
    """
    if len(places) <= _LEAF:
        found = [((_IF_EQUAL, 0, 1, media_id), (_RETURN_CONSTANT, 0, 0, place)) for media_id, place in places]
        return [*(instruction for pair in found for instruction in pair), (_JUMP, 0, 0, behind)]
    middle = len(places) // 2
    upper = _search(places[middle:], behind)
    lower = _search(places[:middle], len(upper) + behind)
    return [(_IF_AT_LEAST, 0, 1, places[middle][0]), (_JUMP, 0, 0, len(lower)), *lower, *upper]
