"""Each instruction as the instruction set architecture (RFC 9669) writes it, and the types beside them."""

import struct

import pytest

from tcserver.media.bpf.assembler import Assembler, Condition, Operation, Register, Size

R = Register


def assembled(write) -> bytes:
    assembler = Assembler()
    write(assembler)
    return assembler.assemble().code


@pytest.mark.parametrize(
    ("write", "encoded"),
    [
        (lambda a: a.compute(Operation.MOV, R.R6, R.R1), "bf16000000000000"),
        (lambda a: a.compute(Operation.MOV, R.R0, -1), "b7000000ffffffff"),
        (lambda a: a.compute(Operation.ADD, R.R2, R.R3), "0f32000000000000"),
        (lambda a: a.compute(Operation.ADD, R.R2, -4), "07020000fcffffff"),
        (lambda a: a.compute(Operation.SUB, R.R9, R.R1), "1f19000000000000"),
        (lambda a: a.compute(Operation.OR, R.R2, 0x80010000), "4702000000000180"),
        (lambda a: a.compute(Operation.AND, R.R2, 0xFFFF), "57020000ffff0000"),
        (lambda a: a.compute(Operation.RSH, R.R3, 16), "7703000010000000"),
        (lambda a: a.compute(Operation.XOR, R.R2, 0xFFFF), "a7020000ffff0000"),
        (lambda a: a.load(Size.BYTE, R.R1, R.R8, 14), "71810e0000000000"),
        (lambda a: a.load(Size.HALF, R.R1, R.R8, 12), "69810c0000000000"),
        (lambda a: a.load(Size.WORD, R.R8, R.R6, 76), "61684c0000000000"),
        (lambda a: a.load(Size.DOUBLE, R.R1, R.FP, -64), "79a1c0ff00000000"),
        (lambda a: a.store(Size.BYTE, R.R8, 1, R.R2), "7328010000000000"),
        (lambda a: a.store(Size.HALF, R.R8, 24, R.R2), "6b28180000000000"),
        (lambda a: a.store(Size.WORD, R.FP, -4, R.R1), "631afcff00000000"),
        (lambda a: a.store(Size.DOUBLE, R.FP, -64, R.R6), "7b6ac0ff00000000"),
        (lambda a: a.store(Size.WORD, R.R6, 8, 7), "6206080007000000"),
        (lambda a: a.call(13), "850000000d000000"),
        (lambda a: a.exit(), "9500000000000000"),
        (lambda a: a.load_map(R.R1, 5), "18110000050000000000000000000000"),
        (lambda a: a.load_map_value(R.R7, 5, 8), "18270000050000000000000008000000"),
    ],
)
def test_an_instruction(write, encoded):
    assert assembled(write).hex() == encoded


@pytest.mark.parametrize(
    ("condition", "with_register", "with_constant"),
    [
        (Condition.EQ, 0x1D, 0x15),
        (Condition.GT, 0x2D, 0x25),
        (Condition.GE, 0x3D, 0x35),
        (Condition.NE, 0x5D, 0x55),
        (Condition.LT, 0xAD, 0xA5),
    ],
)
def test_jumps_count_from_the_next_instruction_in_both_directions(condition, with_register, with_constant):
    def write(assembler: Assembler) -> None:
        assembler.label("back")
        assembler.jump_if(condition, R.R1, R.R2, "end")
        assembler.jump_if(condition, R.R1, 9, "back")
        assembler.jump("end")
        assembler.exit()
        assembler.label("end")
        assembler.exit()

    instructions = list(struct.iter_unpack("<BBhI", assembled(write)))
    assert instructions[:3] == [(with_register, 0x21, 3, 0), (with_constant, 0x01, -2, 9), (0x05, 0, 1, 0)]


def two_functions() -> Assembler:
    assembler = Assembler()
    assembler.function("main")
    assembler.load_function(R.R2, "each")
    assembler.exit()
    assembler.function("each")
    assembler.exit()
    return assembler


def test_a_function_is_found_from_the_instruction_behind_the_reference():
    assert two_functions().assemble().code.hex() == "18420000020000000000000000000000" + 2 * "9500000000000000"


def test_the_types_name_each_function():
    program = two_functions().assemble()
    types = program.types()
    magic, version, flags, header, type_start, type_size, string_start, string_size = struct.unpack_from(
        "<HBBIIIII", types
    )
    assert (magic, version, flags, header, type_start, string_start) == (0xEB9F, 1, 0, 24, 0, type_size)
    strings = types[header + string_start :]
    assert (len(strings), strings) == (string_size, b"\0int\0main\0each\0")
    integer, prototype = struct.unpack_from("<IIII", types, header), struct.unpack_from("<III", types, header + 16)
    assert (integer, prototype) == ((1, 1 << 24, 4, 1 << 24 | 32), (0, 13 << 24, 1))
    for place, name in enumerate((b"main", b"each")):
        at, kind, of = struct.unpack_from("<III", types, header + 28 + 12 * place)
        assert (strings[at : at + 4], kind, of) == (name, 12 << 24, 2)
    assert program.function_info() == struct.pack("<IIII", 0, 3, 3, 4)


@pytest.mark.parametrize(
    "write",
    [
        lambda a: a.jump("nowhere"),
        lambda a: (a.label("twice"), a.label("twice")),
        lambda a: a.compute(Operation.MOV, R.R1, 1 << 32),
        lambda a: a.compute(Operation.MOV, R.R1, -(1 << 31) - 1),
    ],
)
def test_mistakes_are_refused(write):
    with pytest.raises(ValueError, match=r"place|bits"):
        assembled(write)
