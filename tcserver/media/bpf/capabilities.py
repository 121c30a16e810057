"""The capabilities of this process that loading a program needs, and how it gives them up (``capabilities(7)``)."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF = 12, 21, 39
_VERSION = 0x20080522
"""``_LINUX_CAPABILITY_VERSION_3``: two sets of 32 capabilities."""
_HEADER = struct.Struct("@Ii")
_SETS = struct.Struct("@IIIIII")
"""Effective, permitted and inheritable ones below 32, then those from 32 on."""


def give_up() -> None:
    """Give up what ``FanOut.open`` needs, for this thread and all that it starts; raises ``OSError``.

    Programs that a process of root starts have all capabilities again. Elsewhere than on Linux there is nothing to do.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION, 0), _HEADER.size)
    sets = ctypes.create_string_buffer(_SETS.size)
    if libc.capget(header, sets):
        raise _error()
    fewer = without(sets.raw, (CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF))  # the second one includes the third
    if libc.capset(header, ctypes.create_string_buffer(fewer, len(fewer))):
        raise _error()


def without(sets: bytes, capabilities: tuple[int, ...]) -> bytes:
    """Return the three sets without some capabilities, as ``capset(2)`` has them."""
    words = list(_SETS.unpack(sets))
    for capability in capabilities:
        half, bit = divmod(capability, 32)
        for place in range(3 * half, 3 * half + 3):
            words[place] &= ~(1 << bit)
    return _SETS.pack(*words)


def _error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"capabilities: {os.strerror(code)}")
