"""What receivers should have got, and how that is compared with what they have."""

import socket

import pytest

from benchmarks.commands.delivery import Verdict, errors, in_order, judge


@pytest.mark.parametrize(
    ("counts", "stayed", "verdict"),
    [
        (b"\1\1\1\1", True, Verdict(4, 0, 0)),
        (b"\0\1\2\0", True, Verdict(2, 2, 1)),
        (b"\0\1\2\0", False, Verdict(2, 0, 1)),
        (b"\1\0\1\0", False, Verdict(2, 1, 0)),
        (b"\1", True, Verdict(1, 3, 0)),
        (b"", False, Verdict(0, 0, 0)),
    ],
)
def test_who_came_and_went_should_have_all_from_the_first_to_the_last_one(counts, stayed, verdict):
    assert judge(bytearray(counts), [0, 1, 2, 3], stayed) == verdict


def test_counts_are_by_index_and_gaps_by_the_order_of_sending():
    assert judge(bytearray(b"\1\1\0\0"), [2, 0, 3, 1], False) == Verdict(2, 1, 0)


def test_datagrams_are_ordered_by_their_counter():
    head = bytes(6)
    assert in_order([head + b"\0\0\0\0\1\0a", head + b"\0\0\0\0\0\2b", head + b"\0\0\0\0\0\1c"]) == [2, 1, 0]


def test_verdicts_add_up():
    assert Verdict(1, 2, 3) + Verdict(10, 20, 30) == Verdict(11, 22, 33)


def test_the_kernel_counts_what_a_socket_has_no_room_for():
    before = errors()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        receiver.bind(("127.0.0.1", 0))
        for _ in range(100):
            sender.sendto(bytes(140), receiver.getsockname())
    assert errors().full > before.full
