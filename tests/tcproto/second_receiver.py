"""Decisions of a receiver of PROTOCOL.md, a second time and without tcproto: windows, key generations, encoding."""

from __future__ import annotations

import math
import struct
from typing import Any

from nacl.exceptions import CryptoError

from tests.tcproto import second_reader
from tests.tcproto.second_reader import need


def stream_message(message: bytes) -> int | tuple[int, bytes]:
    """6 "Stream path": kind and content of a message, or the code that ends the WebSocket."""
    if len(message) > 16_385:
        return 1009
    kind, rest = message[:1], message[1:]
    if kind not in (b"\0", b"\1") or (kind == b"\0" and not rest):
        return 1002
    return kind[0], rest


def unframed(frame: bytes) -> bytes:
    """RFC 6455, 5.2: the payload of a frame that is a whole binary message, not masked, of less than 64 KiB."""
    need(frame[0] == 0x82 and frame[1] <= 126, "a whole binary message without a mask")
    head = 2 if frame[1] < 126 else 4
    size = frame[1] if head == 2 else int.from_bytes(frame[2:4], "big")
    need(head == 2 or size > 125, "the shortest length")
    need(len(frame) == head + size, "one frame")
    return frame[head:]


class Window:
    """6 "Replay window and ceiling", in the words of the document: a set of all counters that were seen."""

    def __init__(self, size: int, lowest: int, confirmed: int | None) -> None:
        self._size = size
        self._lowest = lowest
        self._confirmed = confirmed
        self._seen: set[int] = set()

    def position(self, counter: int) -> None:
        assert self._confirmed is not None
        self._confirmed = max(self._confirmed, counter)

    def accepts(self, counter: int) -> bool:
        highest = max(self._seen, default=-1)
        if counter in self._seen or counter < self._lowest or counter <= highest - self._size:
            return False
        return self._confirmed is None or counter <= self._confirmed + 8191

    def commit(self, counter: int) -> None:
        self._seen.add(counter)


class Receiver:
    """8 "The receiver", of one publication of one sender in one life."""

    def __init__(self, life: bytes, publication: tuple[int, int, int]) -> None:
        self._life = life
        self._publication = publication
        self._keys: dict[int, dict[str, Any]] = {}

    def box(self, at: float, number: int, generation: int, key: bytes, first: int) -> bool:
        if number <= max(self._keys, default=-1):
            return False
        for held in self._keys.values():
            held["until"] = min(held["until"], at + 10)
        window = Window(1024, first, None)
        self._keys[number] = {
            "chain": {generation: key},
            "earlier until": math.inf,
            "until": math.inf,
            "window": window,
        }
        return True

    def opens(self, at: float, packet: bytes) -> bool:
        low_bits, generation, sequence = packet[3], packet[4], struct.unpack(">I", packet[5:9])[0]
        numbers = [n for n, held in self._keys.items() if n & 255 == low_bits and at < held["until"]]
        if not numbers:
            return False
        held = self._keys[max(numbers)]
        if at >= held["earlier until"]:
            held["chain"] = {max(held["chain"]): held["chain"][max(held["chain"])]}
        newest = max(held["chain"])
        start = max((g for g in held["chain"] if g <= generation), default=None)
        if start is None or generation > newest + 64 or not held["window"].accepts(sequence):
            return False
        key = held["chain"][start]
        for _ in range(generation - start):
            key = second_reader.ratchet(key)
        try:
            second_reader.open_packet(packet, second_reader.publication_key(key, self._life, *self._publication))
        except CryptoError:
            return False
        held["window"].commit(sequence)
        if generation > newest:
            held["chain"] = {min(held["chain"]): held["chain"][min(held["chain"])], generation: key}
            held["earlier until"] = at + 10
        return True


def takes(data: bytes) -> bool:
    """3 "Encoding", and the tables of ``ping``, ``mute`` and ``keyframe_request``."""
    try:
        reader = _Reader(data)
        message = reader.value(1)
        need(reader.at_end, "bytes behind it")
        need(isinstance(message, dict) and isinstance(message.get("t"), str), "no message")
        if "id" in message:
            need(_is_integer(message["id"], 1, 2**32 - 1), "id")
        return _fits(message)
    except (second_reader.Refused, struct.error, UnicodeDecodeError):
        return False


def _fits(message: dict[str, Any]) -> bool:
    match message["t"]:
        case "ping":
            return "id" in message and _is_integer(message.get("time"), 0, 2**64 - 1)
        case "mute":
            number = _is_integer(message.get("number"), 1, 2**32 - 1)
            return "id" in message and number and isinstance(message.get("muted"), bool)
        case "keyframe_request":
            return "id" not in message and _is_integer(message.get("stream"), 0, 2**16 - 1)
        case _:
            return True


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


_FIXED = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_LENGTHS = {
    0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"), 0xD9: ("str", ">B"), 0xDA: ("str", ">H"),
    0xDB: ("str", ">I"), 0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I"),
}  # fmt: skip
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_MOST = {"bin": 32_768, "str": 16_384, "array": 4096, "map": 64}


class _Reader:
    """msgpack, as much of it as section 3 allows."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place == len(self._data)

    def value(self, level: int) -> Any:
        """The next value; ``level`` is 1 for the outermost."""
        first = self._take(1)[0]
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else first - 256
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _FIXED:
            number = self._number(_FIXED[first])
            need(math.isfinite(number), "a float that is not finite")
            return number
        return self._sized(*self._kind(first), level)

    def _kind(self, first: int) -> tuple[str, int]:
        if first < 0xC0:
            kind = "map" if first < 0x90 else "array" if first < 0xA0 else "str"
            return kind, first & (0x1F if kind == "str" else 0x0F)
        need(first in _LENGTHS, "an extension, or nothing")
        kind, size = _LENGTHS[first]
        return kind, self._number(size)

    def _sized(self, kind: str, length: int, level: int) -> Any:
        need(length <= _MOST[kind], "too long")
        if kind in ("str", "bin"):
            data = self._take(length)
            return data.decode() if kind == "str" else data
        need(level <= 8, "nested too deeply")
        if kind == "array":
            return [self.value(level + 1) for _ in range(length)]
        found: dict[str, Any] = {}
        for _ in range(length):
            key = self.value(level + 1)
            need(isinstance(key, str) and key not in found, "a key")
            found[key] = self.value(level + 1)
        return found

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, count: int) -> bytes:
        taken = self._data[self._place : self._place + count]
        need(len(taken) == count, "cut off")
        self._place += count
        return taken
