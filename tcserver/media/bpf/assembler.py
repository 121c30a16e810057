"""An assembler of eBPF. The encoding is that of the BPF instruction set architecture, RFC 9669.

The types that it writes beside the instructions are in the BPF Type Format (``Documentation/bpf/btf.rst`` of Linux).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum


class Register(IntEnum):
    """The registers of a program."""

    R0 = 0
    """What a call returned, and what the program returns."""
    R1 = 1
    """First argument of a call. R1 to R5 are lost in a call."""
    R2 = 2
    R3 = 3
    R4 = 4
    R5 = 5
    R6 = 6
    R7 = 7
    R8 = 8
    R9 = 9
    FP = 10
    """End of the stack, which grows down from here; cannot be written."""


class Size(IntEnum):
    """How much of memory is loaded or stored."""

    WORD = 0x00
    """4 bytes."""
    HALF = 0x08
    """2 bytes."""
    BYTE = 0x10
    DOUBLE = 0x18
    """8 bytes."""


class Operation(IntEnum):
    """Arithmetic on 64 bits: target = target OPERATION source."""

    ADD = 0x00
    SUB = 0x10
    OR = 0x40
    AND = 0x50
    RSH = 0x70
    XOR = 0xA0
    MOV = 0xB0
    """The source alone."""


class Condition(IntEnum):
    """When a jump is taken: target CONDITION source, both without a sign, on 64 bits."""

    EQ = 0x10
    GT = 0x20
    GE = 0x30
    NE = 0x50
    LT = 0xA0


_LD, _LDX, _ST, _STX, _JMP, _ALU64 = 0x00, 0x01, 0x02, 0x03, 0x05, 0x07
"""Classes of instructions."""
_IMM, _MEM = 0x00, 0x60
"""Modes of loads and stores."""
_FROM_REGISTER = 0x08
"""The source is a register, and else the constant in the instruction."""
_JA, _CALL, _EXIT = 0x00, 0x80, 0x90
_MAP, _MAP_VALUE, _FUNCTION = 1, 2, 4
"""What the constant of 64 bits stands for, in place of the source register."""
_INSTRUCTION = struct.Struct("<BBhI")
INSTRUCTION_SIZE = _INSTRUCTION.size
_BTF_HEADER = struct.Struct("<HBBIIIII")
_BTF_MAGIC, _BTF_VERSION = 0xEB9F, 1
_BTF_INT, _BTF_FUNC, _BTF_FUNC_PROTO = 1, 12, 13
_BTF_SIGNED = 1
_FUNCTION_INFO = struct.Struct("<II")
FUNCTION_INFO_SIZE = _FUNCTION_INFO.size


@dataclass(frozen=True)
class Program:
    """A program as the kernel loads it. The first of its functions begins with its first instruction."""

    code: bytes
    functions: tuple[tuple[str, int], ...]
    """Name and first instruction of each function."""

    def types(self) -> bytes:
        """Return the types of the functions in the BPF Type Format: each is ``int ()``, and static."""
        names = [name.encode() + b"\0" for name, _ in self.functions]
        strings = b"\0int\0" + b"".join(names)
        offset = len(b"\0int\0")
        types = struct.pack("<IIII", 1, _BTF_INT << 24, 4, _BTF_SIGNED << 24 | 32)
        types += struct.pack("<III", 0, _BTF_FUNC_PROTO << 24, 1)
        for name in names:
            types += struct.pack("<III", offset, _BTF_FUNC << 24, 2)
            offset += len(name)
        sizes = (0, len(types), len(types), len(strings))
        return _BTF_HEADER.pack(_BTF_MAGIC, _BTF_VERSION, 0, _BTF_HEADER.size, *sizes) + types + strings

    def function_info(self) -> bytes:
        """Return where each function begins, and its type (``struct bpf_func_info``)."""
        return b"".join(_FUNCTION_INFO.pack(start, 3 + place) for place, (_, start) in enumerate(self.functions))


class Assembler:
    """Collects instructions. Places to jump to have a name, which may be given later than it is used."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        """Operation code, registers, offset, constant."""
        self._places: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []
        self._references: list[tuple[int, str]] = []
        self._functions: list[tuple[str, int]] = []

    def function(self, name: str) -> None:
        """Begin a function here."""
        self._functions.append((name, len(self._code)))
        self.label(name)

    def label(self, name: str) -> None:
        """Name the place of the next instruction; raises ``ValueError`` if the name is taken."""
        if name in self._places:
            raise ValueError(f"two places are named {name}")
        self._places[name] = len(self._code)

    def compute(self, operation: Operation, target: Register, source: Register | int) -> None:
        """``target = target OPERATION source``; a constant has 32 bits, and its sign is extended."""
        self._either(_ALU64 | operation, target, 0, source)

    def load(self, size: Size, target: Register, base: Register, offset: int) -> None:
        """Load ``target`` from memory at ``base + offset``; the upper bits become 0."""
        self._add(_LDX | _MEM | size, target, base, offset, 0)

    def store(self, size: Size, base: Register, offset: int, source: Register | int) -> None:
        """Store a register or a constant in memory at ``base + offset``."""
        if isinstance(source, Register):
            self._add(_STX | _MEM | size, base, source, offset, 0)
        else:
            self._add(_ST | _MEM | size, base, 0, offset, source)

    def jump(self, place: str) -> None:
        """Go on at a place."""
        self._jumps.append((len(self._code), place))
        self._add(_JMP | _JA, 0, 0, 0, 0)

    def jump_if(self, condition: Condition, target: Register, source: Register | int, place: str) -> None:
        """Go on at a place if ``target CONDITION source``."""
        self._jumps.append((len(self._code), place))
        self._either(_JMP | condition, target, 0, source)

    def call(self, helper: int) -> None:
        """Call a function of the kernel by its number."""
        self._add(_JMP | _CALL, 0, 0, 0, helper)

    def exit(self) -> None:
        """Return R0."""
        self._add(_JMP | _EXIT, 0, 0, 0, 0)

    def load_map(self, target: Register, descriptor: int) -> None:
        """Load the address of a map."""
        self._add_wide(target, _MAP, descriptor, 0)

    def load_map_value(self, target: Register, descriptor: int, offset: int = 0) -> None:
        """Load the address of a byte of the first value of an array map."""
        self._add_wide(target, _MAP_VALUE, descriptor, offset)

    def load_function(self, target: Register, name: str) -> None:
        """Load the address of a function of this program."""
        self._references.append((len(self._code), name))
        self._add_wide(target, _FUNCTION, 0, 0)

    def assemble(self) -> Program:
        """Return the program; raises ``ValueError`` for a place that is not there."""
        code = list(self._code)
        for at, name in self._jumps:
            operation, registers, _, constant = code[at]
            code[at] = (operation, registers, self._distance(at, name), constant)
        for at, name in self._references:
            operation, registers, offset, _ = code[at]
            code[at] = (operation, registers, offset, self._distance(at, name))
        packed = b"".join(
            _INSTRUCTION.pack(operation, registers, offset, constant & 0xFFFFFFFF)
            for operation, registers, offset, constant in code
        )
        return Program(packed, tuple(self._functions))

    def _distance(self, at: int, name: str) -> int:
        """Return the instructions between the one behind ``at`` and a place."""
        if name not in self._places:
            raise ValueError(f"no place is named {name}")
        return self._places[name] - at - 1

    def _either(self, operation: int, target: Register, offset: int, source: Register | int) -> None:
        if isinstance(source, Register):
            self._add(operation | _FROM_REGISTER, target, source, offset, 0)
        else:
            self._add(operation, target, 0, offset, source)

    def _add(self, operation: int, target: int, source: int, offset: int, constant: int) -> None:
        if not -(1 << 31) <= constant < 1 << 32:
            raise ValueError(f"{constant} has more than 32 bits")
        self._code.append((operation, target | source << 4, offset, constant))

    def _add_wide(self, target: Register, kind: int, low: int, high: int) -> None:
        self._add(_LD | _IMM | Size.DOUBLE, target, kind, 0, low)
        self._add(0, 0, 0, 0, high)
