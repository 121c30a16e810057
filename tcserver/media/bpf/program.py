"""The BPF program that makes the copies of a datagram.

It stands at the egress of the loopback device (tcx). There it sees each *trigger*: a datagram that a socket of this
process sends to ``Trigger``. It clones the trigger to each receiver, with the addresses of that receiver. The trigger
itself goes nowhere. Each clone is given to the device of its entry as a whole frame, with the MAC address of the next
hop. All of that is done before the call that sends the trigger returns. When the kernel refuses a clone, as where the
queue of a device is full, the program makes no more, so that the process knows who has got nothing.

Any other packet passes. A trigger counts only if the socket that sent it is the one in the control block.

The *control block* tells what to do with the next trigger, and what was done with the last (bytes, in the order of this
machine)::

     0  8  cookie of the socket that may send it; the program writes 0: nobody may send another
     8  4  first entry of the set of receivers
    12  4  first receiver of this trigger, as index in the set
    16  4  receivers of the set; indices go round
    20  4  receivers of this trigger
    24  4  clones that the kernel took, from the first receiver on       (written by the program)
    28  4  what it said to the last clone: 0, or why there are no more   (written by the program)
    32  4  outcome, see ``NOT_SEEN``                                     (written by the program)

An *entry* is one receiver::

     0  4  device by which it is reached; 0: it is on this machine
     4  4  sum of the 16-bit words of both addresses
     8  2  source port (network order, as all below)
    10  2  destination port
    12 16  source address; of IPv4 the first 4 bytes
    28 16  destination address; of IPv4 the first 4 bytes
    44  6  MAC address of the next hop
    50  6  MAC address of the device
    56  8  nothing

The program calls no function that the kernel keeps for programs under the GPL.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

from tcserver.media.bpf.assembler import Assembler, Condition, Operation, Program, Register, Size

LICENCE = b"Apache-2.0"
MAX_CLONES = 256
"""Datagrams that one trigger makes at most; those of a train count each, for some devices have it cut apart before.

Those for this machine, and for virtual devices, wait in a queue of the kernel (``netdev_max_backlog``: 1,000).
"""
CONTROL = struct.Struct("@QIIIIIiI")
WRITTEN = struct.Struct("@IiI")
"""What the program writes of it, from ``WRITTEN_AT`` on."""
WRITTEN_AT = 24
ENTRY_SIZE = 64
MAX_ENTRIES = 1 << 14
"""Entries of the map, 1 MiB."""
TRIGGER_PORT = 9
"""``discard`` (RFC 863): nobody should answer a trigger that no program takes."""
TRIGGER_CHANCE = 3
CONGESTION = 2
"""What the kernel says where it took a packet, and its queue dropped another (``NET_XMIT_CN``)."""
_ENTRY = struct.Struct("@II2s2s16s16s12s8x")
_COOKIE, _BASE, _FIRST, _TOTAL, _COUNT, _CLONED, _ANSWER, _OUTCOME = 0, 8, 12, 16, 20, 24, 28, 32
_DEVICE, _SUM, _PORTS, _SOURCE, _DESTINATION, _FRAME = 0, 4, 8, 12, 28, 44
_FRAME_WORDS = 3
"""Words of 4 bytes of both MAC addresses, with which a frame begins."""
_PROTOCOL, _DEVICE_OF_PACKET, _DATA, _DATA_END = 16, 40, 76, 80
"""Fields of ``struct __sk_buff``."""
_MAP_LOOKUP, _CLONE_REDIRECT, _SOCKET_COOKIE, _LOOP = 1, 13, 46, 181
"""Helper functions, by their number in ``linux/bpf.h``."""
NOT_SEEN, CLONED, UNSUITABLE = range(3)
"""Outcomes of a trigger.

``NOT_SEEN`` is what the process writes beforehand: no program saw it. ``UNSUITABLE``: its checksum was computed
already, and no clone was made, for the loopback device has that offload switched off.
"""
_NEXT, _DROP = -1, 2
"""What the program returns: the packet goes on, or is dropped (``TCX_NEXT``, ``TCX_DROP``)."""
_UDP = 17
R = Register


class Trigger(NamedTuple):
    """Where datagrams are sent to be cloned, which differs for each program."""

    host: str
    """An address of the loopback device. Triggers of IPv6 go to ::1, which has one address only."""

    @classmethod
    def random(cls, chance: bytes) -> Trigger:
        """Make one out of ``TRIGGER_CHANCE`` random bytes."""
        a, b, c = (byte % 254 + 1 for byte in chance)
        return cls(f"127.{a}.{b}.{c}")


class _Layout(NamedTuple):
    """Where things stand in a packet with an Ethernet header in front, in bytes."""

    name: str
    words: int
    """Words of 4 bytes of an address."""
    source: int
    ports: int

    @property
    def destination(self) -> int:
        return self.source + 4 * self.words

    @property
    def length(self) -> int:
        return self.ports + 4

    @property
    def checksum(self) -> int:
        return self.ports + 6

    @property
    def end(self) -> int:
        return self.ports + 8


_IPV4 = _Layout("IPv4", 1, 26, 34)
_IPV6 = _Layout("IPv6", 4, 22, 54)
_IPV4_CHECKSUM = 24
_ETHERTYPES = {_IPV4: b"\x08\x00", _IPV6: b"\x86\xdd"}


def pack_entry(
    device: int, source: bytes, source_port: int, destination: bytes, destination_port: int, frame: bytes
) -> bytes:
    """Return an entry. Addresses have 4 or 16 bytes; ``frame`` is both MAC addresses, empty for device 0."""
    words = source + destination
    total = sum(struct.unpack(f"@{len(words) // 2}H", words))
    ports = source_port.to_bytes(2, "big"), destination_port.to_bytes(2, "big")
    return _ENTRY.pack(device, total, *ports, source, destination, frame)


def write_program(control: int, entries: int, trigger: Trigger) -> Program:
    """Return the program for two maps, given by their descriptors."""
    return _Writer(control, entries, trigger).write()


class _Writer:
    """Writes the program. R6 is the packet in all of it; ``_ETHERTYPES`` has a branch and a function for each family.

    On the stack, from its end: the index of an entry at -4; what the function for one clone needs at -32: the packet,
    the sum of its IPv4 header and that of its UDP header, without what differs between receivers.
    """

    _INDEX, _CONTEXT = -4, -32
    _HEADER_SUM, _UDP_SUM = 8, 16

    def __init__(self, control: int, entries: int, trigger: Trigger) -> None:
        self._control = control
        self._entries = entries
        self._trigger = trigger
        self._assembler = Assembler()

    def write(self) -> Program:
        """Write all of it."""
        a = self._assembler
        a.function("main")
        a.compute(Operation.MOV, R.R6, R.R1)
        a.load(Size.WORD, R.R2, R.R6, _PROTOCOL)
        for layout, ethertype in _ETHERTYPES.items():
            a.jump_if(Condition.EQ, R.R2, _native(ethertype), layout.name)
        a.label("next")
        a.compute(Operation.MOV, R.R0, _NEXT)
        a.exit()
        a.label("drop")
        a.compute(Operation.MOV, R.R0, _DROP)
        a.exit()
        for layout in _ETHERTYPES:
            self._take_trigger(layout)
        for layout in _ETHERTYPES:
            self._clone(layout)
        return a.assemble()

    def _take_trigger(self, layout: _Layout) -> None:
        """Find out whether a packet is a trigger, and have it cloned."""
        a = self._assembler
        a.label(layout.name)
        self._see(layout, "next")
        for size, at, expected in self._signs(layout):
            a.load(size, R.R1, R.R8, at)
            a.jump_if(Condition.NE, R.R1, expected, "next")
        a.compute(Operation.MOV, R.R1, R.R6)
        a.call(_SOCKET_COOKIE)
        a.load_map_value(R.R7, self._control)
        a.load(Size.DOUBLE, R.R1, R.R7, _COOKIE)
        a.jump_if(Condition.NE, R.R0, R.R1, "next")
        a.jump_if(Condition.EQ, R.R0, 0, "next")
        a.store(Size.DOUBLE, R.R7, _COOKIE, 0)
        a.store(Size.WORD, R.R7, _OUTCOME, UNSUITABLE)
        # The device computes the checksum, from what stands in its place: the sum of addresses, length and protocol.
        a.load(Size.HALF, R.R2, R.R8, layout.length)
        a.compute(Operation.ADD, R.R2, _native(bytes((0, _UDP))))
        a.store(Size.DOUBLE, R.FP, self._CONTEXT + self._UDP_SUM, R.R2)
        for word in range(2 * layout.words):
            a.load(Size.WORD, R.R1, R.R8, layout.source + 4 * word)
            a.compute(Operation.ADD, R.R2, R.R1)
        self._fold(R.R2, R.R3)
        a.load(Size.HALF, R.R1, R.R8, layout.checksum)
        a.jump_if(Condition.NE, R.R1, R.R2, "drop")
        if layout is _IPV4:
            a.compute(Operation.MOV, R.R2, 0)
            for at in range(14, _IPV4_CHECKSUM, 2):
                a.load(Size.HALF, R.R1, R.R8, at)
                a.compute(Operation.ADD, R.R2, R.R1)
            a.store(Size.DOUBLE, R.FP, self._CONTEXT + self._HEADER_SUM, R.R2)
        a.store(Size.WORD, R.R7, _OUTCOME, CLONED)
        a.store(Size.DOUBLE, R.FP, self._CONTEXT, R.R6)
        a.load(Size.WORD, R.R1, R.R7, _COUNT)
        a.load_function(R.R2, f"clone{layout.name}")
        a.compute(Operation.MOV, R.R3, R.FP)
        a.compute(Operation.ADD, R.R3, self._CONTEXT)
        a.compute(Operation.MOV, R.R4, 0)
        a.call(_LOOP)
        a.jump("drop")

    def _signs(self, layout: _Layout) -> list[tuple[Size, int, int]]:
        """Return what stands where in the headers of a trigger: (size, offset, value)."""
        port = (Size.HALF, layout.ports + 2, _native(TRIGGER_PORT.to_bytes(2, "big")))
        if layout is _IPV4:
            signs = [(Size.BYTE, 14, 0x45), (Size.BYTE, 23, _UDP), port]
            host = socket.inet_aton(self._trigger.host)
        else:
            signs = [(Size.BYTE, 20, _UDP), port]
            host = socket.inet_pton(socket.AF_INET6, "::1")
        # By halves: a constant of 32 bits would be taken with a sign.
        halves = [(Size.HALF, layout.destination + at, _native(host[at : at + 2])) for at in range(0, len(host), 2)]
        return signs + halves

    def _clone(self, layout: _Layout) -> None:
        """Make the clone for the receiver whose number in this trigger is in R1; R2 is the address of the context."""
        a = self._assembler
        name = layout.name
        a.function(f"clone{name}")
        a.compute(Operation.MOV, R.R7, R.R2)
        a.compute(Operation.MOV, R.R9, R.R1)
        a.load(Size.DOUBLE, R.R6, R.R7, 0)
        a.load_map_value(R.R8, self._control)
        a.load(Size.WORD, R.R1, R.R8, _FIRST)
        a.compute(Operation.ADD, R.R9, R.R1)
        a.load(Size.WORD, R.R1, R.R8, _TOTAL)
        a.jump_if(Condition.LT, R.R9, R.R1, f"index{name}")
        a.compute(Operation.SUB, R.R9, R.R1)
        a.label(f"index{name}")
        a.load(Size.WORD, R.R1, R.R8, _BASE)
        a.compute(Operation.ADD, R.R9, R.R1)
        self._find_entry(R.R9, f"stop{name}")
        self._see(layout, f"stop{name}")
        a.load(Size.WORD, R.R1, R.R0, _SUM)
        if layout is _IPV4:
            a.load(Size.DOUBLE, R.R2, R.R7, self._HEADER_SUM)
            a.compute(Operation.ADD, R.R2, R.R1)
            self._fold(R.R2, R.R3)
            a.compute(Operation.XOR, R.R2, 0xFFFF)
            a.store(Size.HALF, R.R8, _IPV4_CHECKSUM, R.R2)
        a.load(Size.DOUBLE, R.R2, R.R7, self._UDP_SUM)
        a.compute(Operation.ADD, R.R2, R.R1)
        self._fold(R.R2, R.R3)
        a.store(Size.HALF, R.R8, layout.checksum, R.R2)
        for word in range(layout.words):
            for place, at in ((_SOURCE, layout.source), (_DESTINATION, layout.destination)):
                a.load(Size.WORD, R.R1, R.R0, place + 4 * word)
                a.store(Size.WORD, R.R8, at + 4 * word, R.R1)
        a.load(Size.WORD, R.R1, R.R0, _PORTS)
        a.store(Size.WORD, R.R8, layout.ports, R.R1)
        for word in range(_FRAME_WORDS):
            a.load(Size.WORD, R.R1, R.R0, _FRAME + 4 * word)
            a.store(Size.WORD, R.R8, 4 * word, R.R1)
        a.load(Size.WORD, R.R2, R.R0, _DEVICE)
        a.jump_if(Condition.NE, R.R2, 0, f"away{name}")
        a.load(Size.WORD, R.R2, R.R6, _DEVICE_OF_PACKET)
        a.label(f"away{name}")
        a.compute(Operation.MOV, R.R1, R.R6)
        a.compute(Operation.MOV, R.R3, 0)
        a.call(_CLONE_REDIRECT)
        a.load_map_value(R.R8, self._control)
        a.jump_if(Condition.EQ, R.R0, 0, f"cloned{name}")
        a.store(Size.WORD, R.R8, _ANSWER, R.R0)
        a.jump_if(Condition.NE, R.R0, CONGESTION, f"stop{name}")
        self._count()
        a.label(f"stop{name}")
        a.compute(Operation.MOV, R.R0, 1)
        a.exit()
        a.label(f"cloned{name}")
        self._count()
        a.compute(Operation.MOV, R.R0, 0)
        a.exit()

    def _count(self) -> None:
        """Count a clone in the control block, which R8 has the address of."""
        a = self._assembler
        a.load(Size.WORD, R.R1, R.R8, _CLONED)
        a.compute(Operation.ADD, R.R1, 1)
        a.store(Size.WORD, R.R8, _CLONED, R.R1)

    def _see(self, layout: _Layout, otherwise: str) -> None:
        """Put the address of the packet's bytes in R8, if the headers are there; uses R1 and R2."""
        a = self._assembler
        a.load(Size.WORD, R.R8, R.R6, _DATA)
        a.load(Size.WORD, R.R1, R.R6, _DATA_END)
        a.compute(Operation.MOV, R.R2, R.R8)
        a.compute(Operation.ADD, R.R2, layout.end)
        a.jump_if(Condition.GT, R.R2, R.R1, otherwise)

    def _find_entry(self, index: Register, otherwise: str) -> None:
        """Put the address of an entry in R0; R1 to R5 are lost."""
        a = self._assembler
        a.store(Size.WORD, R.FP, self._INDEX, index)
        a.load_map(R.R1, self._entries)
        a.compute(Operation.MOV, R.R2, R.FP)
        a.compute(Operation.ADD, R.R2, self._INDEX)
        a.call(_MAP_LOOKUP)
        a.jump_if(Condition.EQ, R.R0, 0, otherwise)

    def _fold(self, register: Register, spare: Register) -> None:
        """Fold a sum of up to 2^16 words of 32 bits into 16 bits, with the carries (RFC 1071)."""
        a = self._assembler
        for _ in range(3):
            a.compute(Operation.MOV, spare, register)
            a.compute(Operation.RSH, spare, 16)
            a.compute(Operation.AND, register, 0xFFFF)
            a.compute(Operation.ADD, register, spare)


def _native(data: bytes) -> int:
    """Return bytes of a packet as the program loads them."""
    return int.from_bytes(data, sys.byteorder)
