"""Structures and calls of the C library for many datagrams at a time; Linux only."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Any

from tcserver.media.interface import Address

SOCKADDR_SIZE = 28
"""Bytes of the larger of the two socket addresses, that of IPv6."""
_IPV4 = struct.Struct("!H4s8x")
_IPV6 = struct.Struct("!HI16s")
_FAMILY = struct.Struct("@H")
_SCOPE = struct.Struct("@I")


class Iovec(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Msghdr(ctypes.Structure):
    """``struct msghdr``, as glibc has it."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Mmsghdr(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = (("header", Msghdr), ("length", ctypes.c_uint))


MMSGHDR_SIZE = ctypes.sizeof(Mmsghdr)
LENGTH_OFFSET = Mmsghdr.length.offset
CONTROL_LENGTH_OFFSET = Mmsghdr.header.offset + Msghdr.control_length.offset
_MMSGHDR = struct.Struct("@PIPNPNi0PI0P")
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
SOL_UDP = 17
UDP_SEGMENT = 103
"""Socket option and control message: the kernel cuts what is sent into datagrams of this size."""
UDP_GRO = 104
"""Socket option and control message: the kernel hands over datagrams in a row as one message, with their size."""
_CMSGHDR = struct.Struct("@Nii")
SEGMENT_SIZE = struct.Struct("@H")
SEGMENT_SIZE_OFFSET = _CMSGHDR.size
SEGMENT_CONTROL_SIZE = struct.calcsize("@NiiH0N")
GRO_SIZE_OFFSET = _CMSGHDR.size
GRO_CONTROL_SIZE = struct.calcsize("@Niii0N")


def message(name: int, name_length: int, iov: int, control: int = 0, control_length: int = 0) -> bytes:
    """Return a ``struct mmsghdr`` with one iovec; ``name``, ``iov`` and ``control`` are addresses in memory."""
    return _MMSGHDR.pack(name, name_length, iov, 1, control, control_length, 0, 0)


def segment_control(size: int) -> bytes:
    """Return the control message with which a payload is sent as a train of datagrams of ``size`` bytes."""
    control = _CMSGHDR.pack(_CMSGHDR.size + SEGMENT_SIZE.size, SOL_UDP, UDP_SEGMENT) + SEGMENT_SIZE.pack(size)
    return control.ljust(SEGMENT_CONTROL_SIZE, b"\0")


def load(name: str) -> Any:
    """Return ``sendmmsg`` or ``recvmmsg`` of the C library.

    Both are called with (file descriptor, address of the messages, number of messages, flags); ``recvmmsg`` takes a
    time limit as well, which is None here. Raises ``OSError`` where the C library does not have the call, or where the
    platform has other structures than these.
    """
    if _MMSGHDR.size != MMSGHDR_SIZE or not DONT_WAIT:
        raise OSError("the structures of this platform are not known")
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, TypeError):
        raise OSError(f"the C library has no {name}") from None
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    if name == "recvmmsg":
        function.argtypes.append(ctypes.c_void_p)
    function.restype = ctypes.c_int
    return function


def pack_sockaddr(address: Address, family: int) -> bytes:
    """Return the address for a socket of this family; raises ``OSError`` for a host that is no address of it."""
    _, host, port = address
    if family == socket.AF_INET:
        return _FAMILY.pack(family) + _IPV4.pack(port, socket.inet_pton(family, host))
    host, _, scope = host.partition("%")
    number = 0 if not scope else int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    return _FAMILY.pack(family) + _IPV6.pack(port, 0, socket.inet_pton(family, host)) + _SCOPE.pack(number)


def parse_sockaddr(data: bytes, lane: int) -> Address:
    """Return the address that the kernel gave.

    An IPv4 address that is mapped into IPv6 stays mapped: answers to it leave by the same socket, which needs it so.
    """
    (family,) = _FAMILY.unpack_from(data)
    if family == socket.AF_INET:
        port, host = _IPV4.unpack_from(data, _FAMILY.size)
        return Address(lane, socket.inet_ntop(family, host), port)
    port, _, host = _IPV6.unpack_from(data, _FAMILY.size)
    (scope,) = _SCOPE.unpack_from(data, _FAMILY.size + _IPV6.size)
    return Address(lane, socket.inet_ntop(family, host) + (f"%{scope}" if scope else ""), port)
