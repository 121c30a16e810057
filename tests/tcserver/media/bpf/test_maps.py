"""The memory that is shared with the program: the ring of entries, and the control block."""

import struct

import pytest

from tcserver.media.bpf.maps import Maps, Placed
from tcserver.media.bpf.program import CLONED, CONTROL, ENTRY_SIZE, NOT_SEEN


def entries_of(letters: bytes) -> Placed:
    return Placed(b"".join(bytes((letter,)) * ENTRY_SIZE for letter in letters))


@pytest.fixture
def memory() -> bytearray:
    return bytearray(8 * ENTRY_SIZE)


@pytest.fixture
def maps(memory) -> Maps:
    return Maps(memoryview(bytearray(CONTROL.size)), memoryview(memory))


def letters(memory: bytearray) -> bytes:
    return bytes(memory[::ENTRY_SIZE])


def test_sets_stand_behind_each_other_and_stay(maps, memory):
    first, second = entries_of(b"abc"), entries_of(b"de")
    assert [maps.put(first), maps.put(second), maps.put(first), maps.put(second)] == [0, 3, 0, 3]
    assert letters(memory) == b"abcde\0\0\0"


def test_a_set_that_was_overwritten_is_put_again(maps, memory):
    first, second, third = entries_of(b"abc"), entries_of(b"def"), entries_of(b"ghi")
    assert [maps.put(first), maps.put(second), maps.put(third)] == [0, 3, 0]
    assert letters(memory) == b"ghidef\0\0"
    assert maps.put(second) == 3, "it was not overwritten"
    assert maps.put(first) == 3, "at the end of the ring there is no room for it"
    assert letters(memory) == b"ghiabc\0\0"
    assert [maps.put(third), maps.put(second)] == [0, 0]


def test_a_set_may_fill_the_map(maps, memory):
    everything = entries_of(b"abcdefgh")
    assert [maps.put(entries_of(b"x")), maps.put(everything), maps.put(everything)] == [0, 0, 0]
    assert letters(memory) == b"abcdefgh"


def test_the_control_block_forgets_the_last_trigger_when_the_next_is_armed():
    control = bytearray(CONTROL.size)
    maps = Maps(memoryview(control), memoryview(bytearray(ENTRY_SIZE)))
    maps.arm(0x0102030405060708, 5, 6, 7, 8)
    assert struct.unpack("=QIIII", control[:24]) == (0x0102030405060708, 5, 6, 7, 8)
    assert maps.written() == (0, 0, NOT_SEEN)
    control[24:] = struct.pack("=IiI", 3, -12, 1)
    assert maps.written() == (3, -12, CLONED)
    maps.arm(1, 2, 3, 4, 5)
    assert maps.written() == (0, 0, NOT_SEEN)
    maps.disarm()
    assert not any(control)
