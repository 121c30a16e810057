"""Which socket of a group gets a datagram, on real sockets of the loopback interface."""

import contextlib
import random
import socket
import sys
from collections.abc import Iterator

import pytest

from tcproto.datagram import Item, ItemType, Kind, pack_header
from tcproto.path import PATH_TOKEN_SIZE
from tcserver.media.interface import Address
from tcserver.media.speakers.suppressed import MAX_SUPPRESSED
from tcserver.media.udp import steering
from tcserver.media.udp.binding import bind
from tcserver.media.udp.steering import SHORTEST_SOUND, share_port, steer
from tests.support.media.loopback import NO_IPV6
from tests.support.media.world import MediaClient, audio, packet_item

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux steers datagrams by a program")
HOSTS = ["127.0.0.1", "::1"]


@contextlib.contextmanager
def group_of(count: int, host: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    group: list[socket.socket] = []
    try:
        port = 0
        for _ in range(count):
            try:
                group += bind([(host, port)], 1 << 20, share_port)
            except OSError as error:
                if error.errno not in NO_IPV6:
                    raise
                pytest.skip("no IPv6 here")
            port = group[0].getsockname()[1]
        steer(group)
        yield group
    finally:
        for sock in group:
            sock.close()


def waiting(sock: socket.socket) -> list[bytes]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sock.recv(2048))
    return found


def datagram(media_id: int, size: int = 60) -> bytes:
    return pack_header(Kind.UP, 7, media_id, 0x010203040506).ljust(size, b"x")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_each_datagram_reaches_the_worker_in_its_header(host: str, count: int) -> None:
    with group_of(count, host) as group:
        address = group[0].getsockname()
        for source in range(4):
            with socket.socket(group[0].family, socket.SOCK_DGRAM) as sender:
                for worker in range(count):
                    sender.sendto(datagram(0xA1B2C300 + worker, 60 + source), address)
        for worker, sock in enumerate(group):
            assert waiting(sock) == [datagram(0xA1B2C300 + worker, 60 + source) for source in range(4)]


def test_a_socket_keeps_its_place_whoever_reads_it() -> None:
    """As with a worker that ends: its copy of the descriptor is closed, that of the pool is not."""
    with group_of(3) as group, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        address = group[0].getsockname()
        copy = socket.socket(fileno=group[1].dup().detach())
        copy.close()
        for worker in range(3):
            sender.sendto(datagram(worker), address)
        assert [waiting(sock) for sock in group] == [[datagram(worker)] for worker in range(3)]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 8, 9, 100, MAX_SUPPRESSED])
def test_suppressed_seats_have_a_second_socket_for_their_worker(count: int, workers: int, host: str) -> None:
    rng = random.Random(count)
    ids = rng.sample(
        [0, 1, 0xFFFFFFFE, 0xFFFFFFFF, *(rng.getrandbits(32) for _ in range(3 * MAX_SUPPRESSED))], 2 * count + 9
    )
    suppressed, others = ids[:count], ids[count : count + 100]
    with group_of(2 * workers, host) as group, socket.socket(group[0].family, socket.SOCK_DGRAM) as sender:
        steer(group[:workers], suppressed)
        for media_id in (*suppressed, *others):
            sender.sendto(datagram(media_id), group[0].getsockname())
        for place, sock in enumerate(group):
            expected = suppressed if place >= workers else others
            assert waiting(sock) == [
                datagram(media_id) for media_id in expected if media_id % 256 % workers == place % workers
            ]
        # What is too short for sound does not wait.
        for media_id in suppressed:
            sender.sendto(datagram(media_id, SHORTEST_SOUND - 1), group[0].getsockname())
        assert sum(len(waiting(sock)) for sock in group[:workers]) == count
        for media_id in suppressed:
            sender.sendto(datagram(media_id, SHORTEST_SOUND), group[0].getsockname())
        assert sum(len(waiting(sock)) for sock in group[workers:]) == count
        # And back again.
        steer(group[:workers])
        for media_id in suppressed:
            sender.sendto(datagram(media_id), group[0].getsockname())
        assert sum(len(waiting(sock)) for sock in group[:workers]) == count


def test_only_what_may_wait_is_as_long_as_sound() -> None:
    client = MediaClient(1000, Address(0, "10.0.0.1", 5000))
    response = client.up(Item(ItemType.PATH_RESPONSE, bytes(PATH_TOKEN_SIZE)))
    request = client.up(Item(ItemType.KEYFRAME_REQUEST, bytes(3)))
    assert max(map(len, (client.ping(), response, request))) < SHORTEST_SOUND
    assert len(client.up(packet_item(audio(1, body=b"")))) == SHORTEST_SOUND


def test_what_names_no_worker_still_goes_somewhere() -> None:
    with group_of(3) as group, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        address = group[0].getsockname()
        for data in (b"", b"short", b"x" * 5):
            sender.sendto(data, address)
        sender.sendto(datagram(3 * 40 + 2), address)
        assert [len(waiting(sock)) for sock in group] == [3, 0, 1]
        steer(group, [1, 2, 3])
        for data in (b"", b"short", b"x" * 5):
            sender.sendto(data, address)
        assert [len(waiting(sock)) for sock in group] == [3, 0, 0]


def test_a_port_is_shared_only_among_ourselves() -> None:
    with group_of(2) as group, pytest.raises(OSError, match="in use"):
        bind([group[0].getsockname()[:2]], 1 << 20)


def test_another_platform_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering.sys, "platform", "darwin")
    with pytest.raises(OSError, match="only Linux steers datagrams"):
        bind([("127.0.0.1", 0)], 1 << 20, share_port)
