import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from tcclient.transport.reader import MAX_BATCH, RECEIVE_SIZE, Datagram
from tcclient.transport.udp import MAX_TRAIN, UdpSocket, trains

linux = pytest.mark.skipif(sys.platform != "linux", reason="trains (UDP_SEGMENT) are Linux's")
Run = Callable[[Coroutine[Any, Any, None]], None]


class WithoutReaders(asyncio.SelectorEventLoop):
    """Refuses what the proactor loop of Windows refuses."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop, WithoutReaders])
def run(request: pytest.FixtureRequest) -> Run:
    def run_main(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(main, 20))

    return run_main


class Far:
    """The other end."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.address = sock.getsockname()
        self.client: Any = None

    def receive(self) -> bytes:
        data, self.client = self.socket.recvfrom(RECEIVE_SIZE)
        return data

    def send(self, *datagrams: bytes) -> None:
        for data in datagrams:
            self.socket.sendto(data, self.client)


@asynccontextmanager
async def connected(interval: float = 0.0) -> AsyncIterator[tuple[UdpSocket, Far, list[list[bytes]]]]:
    batches: list[list[bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(10)
        udp = UdpSocket(asyncio.get_running_loop(), lambda batch: batches.append([data for data, _ in batch]), interval)
        udp.open(socket.AF_INET, far.getsockname())
        end = Far(far)
        try:
            udp.send([b"hello"])
            assert end.receive() == b"hello"
            yield udp, end, batches
        finally:
            udp.close()
            udp.close()
            await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the whole test has a limit
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("interval", [0.0, 0.005])
def test_datagrams_come_in_order_and_in_bounded_batches(run: Run, interval: float) -> None:
    async def main() -> None:
        sent = [i.to_bytes(2, "big") for i in range(2 * MAX_BATCH + 3)]
        async with connected(interval) as (_, far, batches):
            far.send(*sent)
            await until(lambda: sum(map(len, batches)) == len(sent))
            assert [data for batch in batches for data in batch] == sent
            assert max(map(len, batches)) <= MAX_BATCH
            far.send(b"later")
            await until(lambda: batches[-1] == [b"later"])

    run(main())


@pytest.mark.parametrize("interval", [0.0, 0.005])
def test_a_socket_may_be_closed_by_whoever_receives(run: Run, interval: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            got: list[bytes] = []

            def receive(batch: list[Datagram]) -> None:
                got.extend(data for data, _ in batch)
                udp.close()

            udp = UdpSocket(loop, receive, interval)
            udp.open(socket.AF_INET, sock.getsockname())
            udp.send([b"hello"])
            far = Far(sock)
            far.receive()
            far.send(b"the last")
            await until(lambda: bool(got))
            udp.send([b"nobody is there"])
            await asyncio.sleep(0)
            assert got == [b"the last"]

    run(main())


def test_a_server_that_is_gone_is_counted(run: Run) -> None:
    async def main() -> None:
        async with connected() as (udp, far, batches):
            far.socket.close()
            while not udp.send_failures:
                udp.send([b"is anybody there?"])
                await asyncio.sleep(0.001)
            assert batches == []

    run(main())


def test_an_address_that_cannot_be_reached_leaves_nothing_open(run: Run) -> None:
    async def main() -> None:
        udp = UdpSocket(asyncio.get_running_loop(), lambda batch: None, 0.0)
        with pytest.raises(OSError, match="family"):
            udp.open(socket.AF_INET6, ("127.0.0.1", 1, 0, 0))
        udp.send([b"x"])

    run(main())


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
                monkeypatch.setattr("tcclient.transport.udp.socket.socket", Refusing)
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
            monkeypatch.setattr("tcclient.transport.udp.socket.socket", Refusing)
            monkeypatch.setattr(Refusing, "error", errno.EAGAIN)
            udp = UdpSocket(asyncio.get_running_loop(), lambda batch: None, 0)
            udp.open(socket.AF_INET, server.getsockname())
            udp.send([b"a", b"b", b"c"])
            assert (udp.send_failures, udp.trains) == (3, True)
            udp.close()

    asyncio.run(send())


@pytest.mark.parametrize("interval", [0.0, 0.005])
def test_a_renewed_socket_has_another_address_and_receives(run: Run, interval: float) -> None:
    async def main() -> None:
        async with connected(interval) as (udp, far, batches):
            before = far.client
            udp.renew()
            udp.send([b"here now"])
            assert far.receive() == b"here now"
            assert far.client != before
            far.send(b"answer")
            await until(lambda: batches == [[b"answer"]])
            udp.close()
            udp.renew()
            udp.send([b"not any more"])
            assert udp.send_failures == 0

    run(main())


class Moved(socket.socket):
    """A socket of a machine whose network is away: it cannot send, nor be connected."""

    away = False

    def send(self, data: bytes) -> int:  # type: ignore[override]
        self._check()
        return super().send(data)

    def sendmsg(self, *arguments: object) -> int:
        self._check()
        return super().sendmsg(*arguments)  # type: ignore[arg-type]

    def connect(self, address: object) -> None:
        self._check()
        super().connect(address)  # type: ignore[arg-type]

    def _check(self) -> None:
        if self.away:
            raise OSError(errno.ENETUNREACH, "no network")


@pytest.mark.parametrize("burst", [[b"a"], [b"a", b"b"]], ids=["one", "train"])
def test_without_its_network_a_socket_is_renewed_with_the_next_datagram_that_has_one(monkeypatch, burst):
    async def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(5)
            monkeypatch.setattr("tcclient.transport.udp.socket.socket", Moved)
            udp = UdpSocket(asyncio.get_running_loop(), lambda batch: None, 0)
            udp.open(socket.AF_INET, server.getsockname())
            udp.send([b"before"])
            _, before = server.recvfrom(9)
            monkeypatch.setattr(Moved, "away", True)
            udp.send(burst)
            udp.send(burst)
            assert udp.send_failures == len(burst) + 1, "the second time there is no socket"
            monkeypatch.setattr(Moved, "away", False)
            udp.send([b"after"])
            data, after = server.recvfrom(9)
            assert (data, after != before) == (b"after", True)
            udp.close()

    asyncio.run(send())


@linux
def test_small_datagrams_are_marked_as_sound_and_large_ones_as_pictures():
    async def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(5)
            server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            udp = UdpSocket(asyncio.get_running_loop(), lambda batch: None, 0)
            udp.open(socket.AF_INET, server.getsockname())
            assert udp._socket is not None
            assert udp._socket.getsockopt(socket.IPPROTO_IP, 10) == 0, "routers may cut them"
            for sizes in ([100], [1200, 1200], [100, 1200]):
                udp.send([bytes(size) for size in sizes])
            found = []
            for _ in range(5):
                data, control, _, _ = server.recvmsg(2048, 64)
                found.append((len(data), control[0][2][0] >> 2))
            assert found == [(100, 46), (1200, 34), (1200, 34), (100, 46), (1200, 34)]
            udp.close()

    asyncio.run(send())
