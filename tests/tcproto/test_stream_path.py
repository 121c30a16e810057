from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.stream_path import (
    LARGE_PATIENCE,
    MAX_CONTROL_BYTES,
    MAX_LARGE,
    MAX_MESSAGE,
    MAX_SMALL,
    MAX_UNSENT,
    PICTURE_SPAN,
    SMALL_PATIENCE,
    CloseCode,
    DatagramQueue,
    MessageKind,
    QueueDrops,
    StreamPathError,
    pack_control,
    pack_datagram,
    parse,
)

# Messages


def test_messages_as_bytes() -> None:
    assert pack_control(b"abc") == [b"\x00abc"]
    assert pack_datagram(b"abc") == b"\x01abc"
    assert pack_control(b"") == []


@given(st.binary(max_size=3 * MAX_CONTROL_BYTES))
def test_control_bytes_come_out_as_they_went_in(data: bytes) -> None:
    messages = pack_control(data)
    assert all(2 <= len(message) <= MAX_MESSAGE for message in messages)
    parsed = [parse(message) for message in messages]
    assert {kind for kind, _ in parsed} <= {MessageKind.CONTROL}
    assert b"".join(part for _, part in parsed) == data


@pytest.mark.parametrize("datagram", [b"", b"x", bytes(1200), bytes(MAX_CONTROL_BYTES)], ids=len)
def test_a_datagram_of_any_size_is_for_the_media_path_to_judge(datagram: bytes) -> None:
    assert parse(pack_datagram(datagram)) == (MessageKind.DATAGRAM, datagram)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", CloseCode.PROTOCOL_ERROR),
        (b"\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x02x", CloseCode.PROTOCOL_ERROR),
        (b"\xffx", CloseCode.PROTOCOL_ERROR),
        (bytes(MAX_MESSAGE + 1), CloseCode.MESSAGE_TOO_BIG),
    ],
    ids=["empty", "control without bytes", "kind 2", "kind 255", "too long"],
)
def test_messages_that_end_the_stream(message: bytes, code: CloseCode) -> None:
    with pytest.raises(StreamPathError) as failure:
        parse(message)
    assert failure.value.code is code


# The queue


class Queue:
    """A queue with its counts, and datagrams that say which they are."""

    def __init__(self) -> None:
        self.drops = QueueDrops()
        self.queue = DatagramQueue(self.drops)

    def small(self, *numbers: int, now: float = 0.0) -> None:
        for number in numbers:
            self.queue.put_small(b"s%d" % number, now)

    def large(self, picture: str, *numbers: int, now: float = 0.0) -> None:
        for number in numbers:
            self.queue.put_large(f"{picture}{number}".encode(), picture, now)

    def take(self, now: float = 0.0, unsent: int = 0) -> str:
        return b" ".join(self.queue.take(unsent, now)).decode()


def test_small_ones_leave_first_and_each_kind_in_order() -> None:
    queue = Queue()
    queue.large("a", 1, 2)
    queue.small(1, 2)
    queue.large("b", 1)
    assert len(queue.queue) == 5
    assert queue.take() == "s1 s2 a1 a2 b1"
    assert len(queue.queue) == 0
    assert queue.drops == QueueDrops()


def test_nothing_leaves_while_enough_is_unsent() -> None:
    queue = DatagramQueue(QueueDrops())
    for number in range(5):
        queue.put_large(bytes([number]) * 1200, number, 0.0)
    assert queue.take(MAX_UNSENT, 0.0) == []
    assert [data[0] for data in queue.take(MAX_UNSENT - 1, 0.0)] == [0]
    assert [data[0] for data in queue.take(1700, 0.0)] == [1, 2]
    assert [data[0] for data in queue.take(0, 0.0)] == [3, 4]


def test_what_has_waited_too_long_is_dropped_the_large_ones_sooner() -> None:
    queue = Queue()
    queue.small(1)
    queue.large("a", 1)
    queue.small(2, now=0.2)
    queue.large("b", 1, now=0.2)
    assert queue.take(LARGE_PATIENCE, MAX_UNSENT) == ""
    assert queue.drops == QueueDrops()
    assert queue.take(LARGE_PATIENCE + 0.01, MAX_UNSENT) == ""
    assert queue.drops == QueueDrops(large=1)
    assert queue.take(SMALL_PATIENCE + 0.01) == "s2 b1"
    assert queue.drops == QueueDrops(small=1, large=1)


def test_with_a_piece_goes_the_rest_of_its_picture_and_no_other() -> None:
    queue = Queue()
    queue.large("a", 1, 2)
    queue.large("b", 1)
    queue.large("a", 3, now=0.01)
    queue.large("c", 1, now=0.2)
    assert queue.take(0.255) == "c1"
    assert queue.drops == QueueDrops(large=4)
    queue.large("b", 2, now=0.26)
    assert queue.take(0.26) == "", "b was dropped last, and this belongs to it"
    queue.large("b", 3, now=0.255 + PICTURE_SPAN)
    assert queue.take(0.3) == "b3", "the name may mean another picture by now"


def test_of_too_many_small_ones_the_oldest_gives_way() -> None:
    queue = Queue()
    queue.small(*range(MAX_SMALL + 2))
    queue.large("a", 1)
    assert queue.drops == QueueDrops(small=2)
    assert len(queue.queue) == MAX_SMALL + 1
    assert queue.take().startswith("s2 s3 ")


def test_of_too_many_large_ones_the_oldest_picture_gives_way() -> None:
    queue = Queue()
    queue.large("a", *range(3))
    queue.large("b", *range(MAX_LARGE - 3))
    queue.small(1)
    queue.large("c", 1)
    assert queue.drops == QueueDrops(large=3)
    assert queue.take().startswith("s1 b0 b1")


def test_a_picture_that_is_too_large_goes_whole() -> None:
    queue = Queue()
    queue.large("a", *range(MAX_LARGE + 50))
    queue.large("b", 1)
    assert queue.take() == "b1"
    assert queue.drops == QueueDrops(large=MAX_LARGE + 50)


def test_queues_may_share_their_counts() -> None:
    drops = QueueDrops()
    for _ in range(2):
        queue = DatagramQueue(drops)
        queue.put_small(b"", 0.0)
        queue.take(0, 1.0)
    assert drops == QueueDrops(small=2)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("small"), st.integers(1, 40)),
        st.tuples(st.just("large"), st.integers(1, 100)),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.02, 0.1, 0.3])),
        st.tuples(st.just("take"), st.sampled_from([0, 2500, MAX_UNSENT])),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_all_is_bounded_in_order_and_accounted_for(steps: list[tuple[str, float]]) -> None:
    drops = QueueDrops()
    queue = DatagramQueue(drops)
    now, put, taken = 0.0, 0, []
    made: dict[bytes, float] = {}
    for what, amount in steps:
        if what == "wait":
            now += amount
        elif what == "take":
            fresh = queue.take(int(amount), now)
            assert sum(map(len, fresh)) + amount < MAX_UNSENT + 1200
            for data in fresh:
                assert now - made[data] <= (LARGE_PATIENCE if data[:1] == b"L" else SMALL_PATIENCE)
            weights = [data[:1] for data in fresh]
            assert weights == sorted(weights, reverse=True), "S before L"
            taken += fresh
        else:
            picture = put
            for _ in range(int(amount)):
                data = (
                    (b"S" if what == "small" else b"L")
                    + put.to_bytes(4, "big")
                    + bytes(150 if what == "small" else 995)
                )
                made[data] = now
                put += 1
                if what == "small":
                    queue.put_small(data, now)
                else:
                    queue.put_large(data, picture, now)
        assert len(queue) <= MAX_SMALL + MAX_LARGE
    for weight in (b"S", b"L"):
        numbers = [data for data in taken if data[:1] == weight]
        assert numbers == sorted(numbers)
    assert put == len(taken) + len(queue) + drops.small + drops.large


# What the rules do to a line that is too slow, in virtual time


class Line:
    """Sends so many bits per second of what it was given, in order, and tells the delay of each datagram."""

    def __init__(self, bits_per_second: float) -> None:
        self._rate = bits_per_second / 8
        self._unsent: list[list[float]] = []
        self.delays: dict[str, list[float]] = {"audio": [], "video": []}
        self._credit = 0.0

    @property
    def unsent(self) -> int:
        return int(sum(size for size, _, _ in self._unsent))

    def give(self, data: bytes, made_at: float) -> None:
        self._unsent.append([len(data), made_at, len(data) > 600])

    def run(self, seconds: float, now: float) -> None:
        self._credit += self._rate * seconds
        while self._unsent and self._credit >= self._unsent[0][0]:
            size, made_at, large = self._unsent.pop(0)
            self._credit -= size
            self.delays["video" if large else "audio"].append(now - made_at)
        if not self._unsent:
            self._credit = 0.0


def offer(
    bits_per_second: float, seconds: float, keyframe: int = 0, stall: float = 0.0
) -> tuple[Line, QueueDrops, int]:
    """Three talkers of 24 kbit/s and video of 1.1 Mbit/s in front of a line; return how much audio was offered, too.

    ``keyframe`` pieces come in the middle at once. ``stall`` seconds long the line then sends nothing, as TCP does
    when it waits to send a lost segment again.
    """
    line, drops = Line(bits_per_second), QueueDrops()
    queue = DatagramQueue(drops)
    audio, made = 0, {}
    for step in range(int(seconds * 200)):
        now = step / 200
        if not step % 4:
            for talker in range(3):
                data = b"S%d %d" % (step, talker) + bytes(120)
                made[data] = now
                queue.put_small(data, now)
                audio += 1
        if not step % 8:
            for piece in range(5):
                data = b"L%d %d" % (step, piece) + bytes(1090)
                made[data] = now
                queue.put_large(data, step, now)
        if step == int(seconds * 100):
            for piece in range(keyframe):
                data = b"K%d" % piece + bytes(1100)
                made[data] = now
                queue.put_large(data, "keyframe", now)
        for data in queue.take(line.unsent, now):
            line.give(data, made[data])
        if not seconds / 2 < now < seconds / 2 + stall:
            line.run(1 / 200, now)
    return line, drops, audio


def test_a_slow_line_carries_all_the_audio_soon_and_the_video_that_fits() -> None:
    line, drops, audio = offer(300_000, 20)
    assert drops.small == 0
    assert len(line.delays["audio"]) > audio - 25
    assert sorted(line.delays["audio"])[int(audio * 0.95)] < 0.2
    assert drops.large > 1000
    assert len(line.delays["video"]) > 100
    assert max(line.delays["video"]) < LARGE_PATIENCE + MAX_UNSENT / (300_000 / 8) + 0.15


def test_a_keyframe_of_100_kilobytes_passes_a_line_of_8_megabits_whole() -> None:
    line, drops, audio = offer(8e6, 4, keyframe=100)
    assert drops == QueueDrops()
    assert max(line.delays["audio"]) < 0.02
    assert len(line.delays["audio"]) > audio - 10


def test_a_pause_of_the_line_costs_no_audio() -> None:
    line, drops, audio = offer(3e6, 4, stall=0.35)
    assert drops.small == 0
    assert len(line.delays["audio"]) > audio - 10
