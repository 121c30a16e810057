"""The client's UDP socket on the loopback interface."""

import asyncio
import errno
import socket
import sys

import pytest

from tcclient.udp import MAX_TRAIN, UdpSocket, trains

linux = pytest.mark.skipif(sys.platform != "linux", reason="trains (UDP_SEGMENT) are Linux's")


def sizes(*datagrams: int) -> list[list[int]]:
    return [[len(data) for data in train] for train in trains([bytes(size) for size in datagrams])]


def test_a_train_ends_at_the_first_shorter_datagram_and_at_its_limit():
    assert sizes() == []
    assert sizes(9, 9, 4, 4, 9, 9) == [[9, 9, 4], [4], [9, 9]]
    assert sizes(*[5] * (MAX_TRAIN + 2)) == [[5] * MAX_TRAIN, [5, 5]]
    assert sizes(0, 0, 3) == [[0], [0], [3]]


class Refusing(socket.socket):
    """A socket whose kernel refuses trains, or everything."""

    error = errno.EMSGSIZE

    def sendmsg(self, *arguments: object) -> int:
        raise OSError(self.error, "refused")


@pytest.mark.parametrize("kind", ["plain", pytest.param("train", marks=linux), pytest.param("refused", marks=linux)])
def test_a_burst_arrives_whole_and_in_order(kind, monkeypatch):
    burst = [bytes((n,)) * 1180 for n in range(8)] + [b"end", b"x"]

    async def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(5)
            if kind == "refused":
                monkeypatch.setattr("tcclient.udp.socket.socket", Refusing)
            udp = UdpSocket(asyncio.get_running_loop(), lambda batch: None, 0)
            udp.trains = kind != "plain"
            udp.open(socket.AF_INET, server.getsockname())
            udp.send(burst)
            udp.send(burst)
            assert [server.recv(2048) for _ in range(20)] == burst * 2
            assert udp.trains is (kind == "train")
            assert udp.send_failures == 0
            udp.close()
            udp.send(burst)

    asyncio.run(send())


@linux
def test_a_train_that_the_kernel_does_not_take_is_counted_and_dropped(monkeypatch):
    async def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            monkeypatch.setattr("tcclient.udp.socket.socket", Refusing)
            monkeypatch.setattr(Refusing, "error", errno.EAGAIN)
            udp = UdpSocket(asyncio.get_running_loop(), lambda batch: None, 0)
            udp.open(socket.AF_INET, server.getsockname())
            udp.send([b"a", b"b", b"c"])
            assert (udp.send_failures, udp.trains) == (3, True)
            udp.close()

    asyncio.run(send())
