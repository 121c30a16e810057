"""When everybody hears and sees."""

import json
import socket
import sys
from contextlib import closing
from types import SimpleNamespace

import pytest

from benchmarks.__main__ import main
from benchmarks.commands.join import KEYFRAME_PACKETS, PICTURE_PACKETS, Arrival, Rush, all_hear, first, picture
from benchmarks.harness.kernel_timestamps import note_times
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.server import MAX_SEATS, SETTINGS, Server
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source
from tcproto.packet import AudioHeader
from tcserver.config.configuration import Sources

linux = pytest.mark.skipif(sys.platform != "linux", reason="times of arrival, and the benchmarks' servers, need Linux")


def test_the_last_who_hears_counts_from_the_first_who_dialled():
    meeting = [Arrival(0.0, 0.1, 0.9, 1.0), Arrival(0.5, 0.1, 0.3, None), Arrival(0.9, 0.1, None, 0.4)]
    assert all_hear(meeting) == 0.9
    assert all_hear(meeting[2:]) == 0


@pytest.mark.parametrize(
    ("server", "clients", "waited", "remark"),
    [
        (1.9, 1.9, 0.05, ""),
        (1.5, 1.0, 0.4, "the machine was busy otherwise"),
        (1.4, 1.9, 0.1, "the load generator was the bottleneck"),
        (0.4, 0.6, 0.0, "neither the server nor the load generator was busy all the time"),
    ],
)
def test_a_rush_tells_what_held_it_up(server, clients, waited, remark):
    assert Rush(100, 2.0, server, clients, waited).remark == remark


def test_everybody_of_the_largest_room_may_come_in_at_once():
    configuration = Sources(flags={key: str(value) for key, value in SETTINGS.items()}).load()
    login = configuration.login
    assert min(login.login_burst, configuration.rooms.join_burst) >= MAX_SEATS
    assert min(login.max_sessions, login.max_half_open, login.max_half_open_per_address) >= MAX_SEATS


@linux
def test_the_whole_benchmark_comes_to_its_end(all_processors, tmp_path, capsys):
    path = tmp_path / "join.json"
    assert main(["join", "--quick", "--rooms", "1", "--json", str(path)]) in (0, 1)  # others may use the machine
    found = json.loads(path.read_text())
    hear_nothing, see_nothing = (bar["measured"] for bar in found["bars"][:2])
    assert hear_nothing == 0
    assert see_nothing < 34, "where the machine is busy, the first picture of some comes after the end"
    assert found["bars"][2]["measured"] > 34 / 35
    (rush,), (meeting,) = found["figures"]["rushes"], found["figures"]["meetings"]
    assert rush["participants"] == 34
    assert 0 < rush["server"] < rush["seconds"]
    assert all(0 < one["seated"] < one["heard"] for one in meeting)
    assert "logins, 16 at a time" in capsys.readouterr().out


@linux
def test_a_picture_is_there_when_the_last_packet_of_a_keyframe_is():
    camera = SimpleNamespace(streams=[7], packets=0)
    packets = [*picture(camera, 0, keyframe=False), *picture(camera, 1, keyframe=True), *picture(camera, 2, False)]
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))
        note_times(sock)
        seat = SimpleNamespace(socket=sock, forwarded=lambda data: data)
        for packet in packets[: PICTURE_PACKETS + KEYFRAME_PACKETS - 1]:
            sock.sendto(packet, sock.getsockname())
        assert first(seat) == (None, None)
        for packet in [*packets, AudioHeader(3, 1, 0, 0, 0, 20, 30, True).pack(), *packets]:
            sock.sendto(packet, sock.getsockname())
        heard, seen = first(seat)
        assert 0 < seen < heard


@linux
def test_the_server_asks_for_a_keyframe_when_somebody_comes():
    asked = []
    with Server(["hall"]) as server, Clients(server) as clients:
        (camera,) = clients.join("hall", 1, [Source.SCREEN], lambda: asked.append(1))
        clients.prove()
        for packet in picture(camera, 0, keyframe=True):
            camera.socket.sendto(camera.up(Item(ItemType.PACKET, packet)), server.address)
        clients.arrive("hall", 1, 0.0)
        for _ in range(100):
            clients.rest(0.02)
            if asked:
                break
    assert asked
