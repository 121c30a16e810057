"""Plain messages against the parser of the library, which reads the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from tcproto.stream_path import MAX_MESSAGE
from tcserver.web.plain_messages import PlainMessages

PLAIN = 0x82


def client_frame(payload: bytes, first: int = PLAIN, mask: bytes = b"mask") -> bytes:
    size, bit = len(payload), 0x80 if mask else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65_536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ (mask or bytes(4))[at % 4] for at, byte in enumerate(payload))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Parser:
    """The library, in the state of a stream that was opened."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol(state=State.OPEN, max_size=MAX_MESSAGE)
        self.frames: list[tuple[int, bool, bytes]] = []

    def receive_data(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            assert isinstance(event, Frame)
            self.frames.append((event.opcode, event.fin, bytes(event.data)))

    @property
    def error(self) -> str:
        return str(self.protocol.parser_exc)


FRAMES = st.builds(
    client_frame,
    st.binary(max_size=300) | st.integers(0, 70_000).map(bytes),
    st.sampled_from((PLAIN, PLAIN, PLAIN, PLAIN, 0x81, 0x02, 0x80, 0x88, 0x89, 0x8A, 0xC2, 0x83)),
    st.binary(min_size=4, max_size=4) | st.sampled_from((b"", b"mask")),
)


@given(st.lists(FRAMES | st.binary(max_size=20), max_size=8).map(b"".join), st.lists(st.integers(0, 2000), max_size=6))
@example(client_frame(bytes(MAX_MESSAGE)) + client_frame(bytes(MAX_MESSAGE + 1)), [])
@example(b"\x82\xff" + bytes(6) + b"\x00\x7fmask" + bytes(127), [])
def test_with_the_parser_behind_it_all_is_read_as_by_the_parser_alone(data: bytes, cuts: list[int]) -> None:
    alone, behind = Parser(), Parser()
    plain = PlainMessages()
    for piece in pieces(data, cuts):
        alone.receive_data(piece)
        if not plain.are_over:
            behind.frames += [(Opcode.BINARY, True, message) for message in plain.receive_data(piece)]
            piece = plain.take_rest() if plain.are_over else b""
        behind.receive_data(piece)
    assert behind.frames == alone.frames
    assert behind.error == alone.error


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=6))
def test_messages_of_plain_frames_need_no_parser(messages: list[bytes], cuts: list[int]) -> None:
    plain = PlainMessages()
    data = b"".join(map(client_frame, messages))
    found = [message for piece in pieces(data, cuts) for message in plain.receive_data(piece)]
    assert found == messages
    assert not plain.are_over
    assert plain.take_rest() == b""


@pytest.mark.parametrize(
    "other",
    [
        client_frame(b"x", first=0x02),
        client_frame(b"x", first=0xC2),
        client_frame(b"x", first=0x88),
        client_frame(b"x", mask=b""),
        client_frame(bytes(MAX_MESSAGE + 1)),
        client_frame(bytes(65_536)),
    ],
    ids=["fragment", "extension bit", "close", "not masked", "too long", "much too long"],
)
def test_the_first_other_frame_is_for_the_parser_with_all_behind_it(other: bytes) -> None:
    plain, behind = PlainMessages(), client_frame(b"behind")
    assert plain.receive_data(client_frame(b"a") + other + behind) == [b"a"]
    assert plain.are_over
    assert plain.take_rest() == other + behind
