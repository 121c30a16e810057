"""Sockets that share a port: which of them gets a datagram is in its header. Linux only."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Collection, Sequence

from tcproto.datagram import MIN_DATAGRAM
from tcproto.packet import AUDIO_HEADER_SIZE

ID_OFFSET = 2
"""Of the id in a datagram header (PROTOCOL.md, section 6)."""
SHORTEST_SOUND = MIN_DATAGRAM + 1 + AUDIO_HEADER_SIZE
"""Bytes of a datagram that holds a packet of sound; pings, which must not wait, and path responses have fewer."""
SLOT_OFFSET = 5
"""Of its low byte: the worker's slot."""
_SO_ATTACH_REUSEPORT_CBPF = 51
"""``asm-generic/socket.h``; the socket module does not name it."""
_LOAD_BYTE = 0x30
"""``BPF_LD | BPF_B | BPF_ABS``: A becomes the byte at k; beyond the end of the payload the program returns 0."""
_LOAD_WORD = 0x20
"""``BPF_LD | BPF_W | BPF_ABS``: the same with four bytes, in network order."""
_MODULO = 0x94
"""``BPF_ALU | BPF_MOD | BPF_K``: A becomes A mod k."""
_RETURN = 0x16
"""``BPF_RET | BPF_A``."""
_RETURN_CONSTANT = 0x06
"""``BPF_RET | BPF_K``."""
_IF_EQUAL = 0x15
"""``BPF_JMP | BPF_JEQ | BPF_K``: where A is not k, so many instructions are left out as the second count says."""
_IF_AT_LEAST = 0x35
"""``BPF_JMP | BPF_JGE | BPF_K``: so many are left out as the first count says, and where A is less as the second."""
_JUMP = 0x05
"""``BPF_JMP | BPF_JA``: leaves out k instructions."""
_LOAD_LENGTH = 0x80
"""``BPF_LD | BPF_W | BPF_LEN``: A becomes the length of the payload."""
_LEAF = 8
"""Ids that are compared one after the other."""
_INSTRUCTION = struct.Struct("@HBBI")
_Instructions = list[tuple[int, int, int, int]]
"""(code, instructions left out if true, if false, k)."""


def share_port(sock: socket.socket) -> None:
    """Let other sockets of ours bind the same address, each with this call before; raises ``OSError``."""
    if sys.platform != "linux":
        raise OSError("only Linux steers datagrams among the sockets of a port, which media workers need")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def steer(group: Sequence[socket.socket], suppressed: Collection[int] = ()) -> None:
    """Give each datagram to the socket whose place in ``group`` is the slot in its header; raises ``OSError``.

    Those with the media ids ``suppressed`` that are long enough for sound go to a second socket of the slot; where
    there are such, one for each slot was bound after the group, in the same order. All sockets share a port and were
    bound in this order. None may be closed while another is in use: the kernel would put the last one in its place.
    """
    slots = len(group)
    otherwise = [(_LOAD_BYTE, 0, 0, SLOT_OFFSET), (_MODULO, 0, 0, slots), (_RETURN, 0, 0, 0)]
    seconds = [(media_id, slots + (media_id & 0xFF) % slots) for media_id in sorted(suppressed)]
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
    """Return the place of the id in A, by binary search of (id, place); of another, ``behind`` more are left out."""
    if len(places) <= _LEAF:
        found = [((_IF_EQUAL, 0, 1, media_id), (_RETURN_CONSTANT, 0, 0, place)) for media_id, place in places]
        return [*(instruction for pair in found for instruction in pair), (_JUMP, 0, 0, behind)]
    middle = len(places) // 2
    upper = _search(places[middle:], behind)
    lower = _search(places[:middle], len(upper) + behind)
    return [(_IF_AT_LEAST, 0, 1, places[middle][0]), (_JUMP, 0, 0, len(lower)), *lower, *upper]
