"""Datagrams that wait while a socket is full, and those that are dropped if there are too many."""

import sys
from collections import Counter
from itertools import chain

import pytest

from tcproto.datagram import LARGE
from tcserver.media import ReceiverSet, Transmission
from tcserver.media.interface import Address
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.backlog import MAX_BACKLOG, Backlog, Run
from tcserver.media.udp.sendto import PlainLane
from tests.support.media.loopback import CongestedSocket

ALL = ReceiverSet((port, Address(0, "127.0.0.1", port)) for port in (1, 2))
OTHERS = ReceiverSet((port, Address(0, "127.0.0.1", port)) for port in (3, 4, 5))


def audio(number: int) -> bytes:
    return number.to_bytes(2, "big") + bytes(130)


def video(number: int, size: int = 1180) -> bytes:
    return number.to_bytes(2, "big") + bytes(size - 2)


class Full:
    """A lane whose socket takes nothing until it is told so, then everything."""

    def __init__(self) -> None:
        self.socket = CongestedSocket(0)
        self.lane = PlainLane(self.socket, lambda lane: None)
        self.sender = Sender([self.lane])
        self.gave_way = self.lane.counts.gave_way

    @property
    def waiting(self) -> int:
        return self.lane.waiting

    def give(self, datagram: bytes, receivers: ReceiverSet = ALL) -> None:
        self.sender.send([Transmission(datagram, receivers)])

    def drain(self) -> list[bytes]:
        """Return what the first of each set of receivers gets."""
        self.socket.room = sys.maxsize
        assert self.lane.resume()
        assert self.waiting == 0
        firsts = {receivers.addresses[0].port for receivers in (ALL, OTHERS)}
        return [datagram for datagram, port in self.socket.out if port in firsts]


def train(*datagrams: bytes) -> Run:
    return Run(b"".join(datagrams), len(datagrams[0]), ALL.by_lane[0], 0, 2)


def test_audio_goes_first_and_each_kind_in_order():
    sender = Full()
    for number in range(4):
        sender.give(video(number))
        sender.give(audio(number))
    assert sender.drain() == [*map(audio, range(4)), *map(video, range(4))]
    assert not sender.gave_way


def test_video_gives_way_to_audio_to_the_end_of_the_frame_oldest_first():
    sender = Full()
    frames = [[video(number, size) for number in range(4)] for size in (1000, 1001, 1002)]
    for datagram in chain(*frames):
        sender.give(datagram)
    sender.give(video(9, 1002), OTHERS)
    for number in range(MAX_BACKLOG - 13):
        sender.give(audio(number))
    assert (sender.waiting, sender.gave_way) == (MAX_BACKLOG, {})
    sender.give(audio(MAX_BACKLOG - 13))
    assert sender.gave_way == {"large": 2 * 4}
    for number in range(MAX_BACKLOG - 12, MAX_BACKLOG - 8):
        sender.give(audio(number))
    assert sender.gave_way == {"large": 2 * 8}
    sent = sender.drain()
    assert sent == [*map(audio, range(MAX_BACKLOG - 8)), *frames[2], video(9, 1002)]


def test_new_video_gives_way_to_waiting_audio():
    sender = Full()
    for number in range(MAX_BACKLOG):
        sender.give(audio(number))
    sender.give(video(1), OTHERS)
    assert sender.gave_way == {"large": 3}
    assert sender.drain() == [*map(audio, range(MAX_BACKLOG))]


def test_the_oldest_audio_gives_way_only_to_audio():
    sender = Full()
    for number in range(MAX_BACKLOG + 3):
        sender.give(audio(number))
    assert sender.gave_way == {"small": 2 * 3}
    assert sender.drain() == [*map(audio, range(3, MAX_BACKLOG + 3))]


def test_the_newest_video_stays_of_video_alone():
    sender = Full()
    for number in range(MAX_BACKLOG + 3):
        sender.give(video(number, 700 + number))
    assert sender.gave_way == {"large": 2 * 3}
    assert sender.drain() == [video(number, 700 + number) for number in range(3, MAX_BACKLOG + 3)]


def test_audio_at_the_end_of_a_train_of_video_is_kept():
    gave_way = Counter()
    backlog = Backlog(gave_way)
    backlog.put(train(video(1), video(2), audio(3)))
    for number in range(MAX_BACKLOG):
        backlog.put(train(audio(number), audio(number)))
    assert gave_way == {"large": 2 * 2, "small": 2}
    taken = [backlog.take() for _ in range(len(backlog))]
    assert taken == [train(audio(number), audio(number)) for number in range(MAX_BACKLOG)]
    backlog.put(train(video(1), audio(2)))
    assert [backlog.take(), backlog.take()] == [train(audio(2)), train(video(1))]
    with pytest.raises(IndexError):
        backlog.take()


@pytest.mark.parametrize(("size", "weight"), [(LARGE, "small"), (LARGE + 1, "large")])
def test_what_is_large(size, weight):
    sender = Full()
    for number in range(MAX_BACKLOG + 1):
        sender.give(video(number, size), ALL if number % 2 else OTHERS)
    assert sender.gave_way == {weight: 3}


def test_the_rest_of_a_run_is_the_next_to_be_sent():
    backlog = Backlog(Counter())
    for number in range(3):
        backlog.put(train(video(number)))
    backlog.put_back(backlog.take()._replace(start=1))
    assert backlog.take() == train(video(0))._replace(start=1)
    backlog.put_back(train(audio(1))._replace(start=1))
    assert backlog.take() == train(audio(1))._replace(start=1)
    assert len(backlog) == 2
