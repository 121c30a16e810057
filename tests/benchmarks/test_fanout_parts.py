"""The generator and the receivers of the fan-out benchmark, on the loopback interface."""

import socket
import sys
from collections.abc import Iterator

import pytest

from benchmarks.commands import fanout
from benchmarks.harness.load import Figure, Load, LoadedRoom, Measurement, doubt, settle
from benchmarks.harness.mmsg import DatagramBatch, Relay, Sink
from benchmarks.harness.processes import child, cpu_of
from benchmarks.harness.report import BenchmarkError
from benchmarks.parts import delivery_cliff
from tcserver.media.udp.offload import can_receive_trains, can_send_trains

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fan-out benchmark needs Linux")
trains = pytest.mark.skipif(not (can_send_trains() and can_receive_trains()), reason="no UDP_SEGMENT or UDP_GRO here")


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for sock in made:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
    yield made
    for sock in made:
        sock.close()


@pytest.mark.parametrize("train", [1, pytest.param(4, marks=trains)])
def test_volleys_arrive_and_sinks_count_them(train, sockets):
    source, target, *_ = sockets
    datagrams = [bytes((n,)) * 100 for n in range(12)]
    batch = DatagramBatch(source, target.getsockname(), datagrams, train)
    assert (batch.size, batch.per_message) == (12 // train, train)
    assert batch.fire(0, 2) == 2
    assert [target.recv(2048) for _ in range(2 * train)] == datagrams[: 2 * train]
    assert batch.fire(2, batch.size) == batch.size
    assert Sink().drain(target.fileno()) == 12 - 2 * train
    assert Sink().drain(target.fileno()) == 0


def test_a_volley_that_cannot_be_sent_is_one_clear_error(sockets):
    with pytest.raises(BenchmarkError, match="cannot send"):
        DatagramBatch(sockets[0], ("127.0.0.1", 0), [b"x"]).fire(0, 1)


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=trains)])
def test_the_relay_passes_on_what_comes_to_whoever_is_in_the_room(whole, sockets):
    source, relay, *targets = sockets
    datagrams = [b"\1\0room" + bytes((n,)) * 100 for n in range(8)] + [b"\1\0else" + bytes(100)]
    rooms = {b"room": [target.getsockname() for target in targets]}
    relay.setblocking(True)
    with child(Relay(relay, rooms, whole).run) as pid:
        DatagramBatch(source, relay.getsockname(), datagrams).fire(0, 9)
        for target in targets:
            assert [target.recv(2048) for _ in range(8)] == datagrams[:8]
        used, waited = cpu_of(pid)
        assert used > 0
        assert waited >= 0


def test_what_still_arrives_is_waited_for():
    counted = iter((0, 3, 5, 5, 9))
    settle(lambda: next(counted))
    assert next(counted) == 9, "until two looks in a row found the same"


def test_a_ratio_to_a_floor_that_lost_much_is_not_measured():
    whole = Measurement(4.0, 10.0, 1.0, 0.5, 0.0, 0.0)
    figures = {
        ("audio", "paced", 34): {"server": Figure([whole]), "sendmmsg": Figure([whole._replace(delivered=0.98)])},
        ("audio", "paced", 100): {"server": Figure([whole]), "sendmmsg": Figure([whole])},
    }
    lossy, good = fanout.bars_of(figures)
    assert (lossy.passed, lossy.note) == (None, "sendmmsg: only 98.0% arrived")
    assert (good.measured, good.passed) == (1.0, True)


def test_what_a_flood_loses_does_not_matter_to_saturation():
    flood = Measurement(1.0, 900_000.0, 0.7, 1.0, 0.0, 0.0)
    (bar,) = fanout.bars_of({("audio", "flood", 100): {"server": Figure([flood]), "sendmmsg": Figure([flood])}})
    assert (bar.measured, bar.passed) == (900_000.0, True)


def test_a_server_that_has_the_kernel_make_the_copies_has_bars_of_its_own():
    whole = Measurement(4.0, 900_000.0, 1.0, 1.0, 0.0, 0.0)
    figures = {
        ("audio", "paced", 100): {"server": Figure([whole]), "sendmmsg": Figure([whole])},
        ("audio", "flood", 100): {"server": Figure([whole]), "sendmmsg": Figure([whole])},
    }
    assert [bar.passed for bar in fanout.bars_of(figures)] == [True, True]
    assert [bar.passed for bar in fanout.bars_of(figures, "bpf")] == [False, False]


def test_no_bar_is_judged_by_a_load_that_came_late():
    whole = Measurement(4.0, 10.0, 1.0, 0.5, 0.0, 0.0)
    late = whole._replace(late=0.2)
    assert delivery_cliff.bar([delivery_cliff.Step(0.8, [whole]), delivery_cliff.Step(1.0, [late])]).passed
    assert delivery_cliff.bar([delivery_cliff.Step(0.8, [whole, late])]).note == "80%: the load came late"
    assert doubt(("a", whole), ("b", late)) == "b: the load came late"


def test_a_load_too_short_for_a_message_is_one_clear_error():
    with pytest.raises(BenchmarkError, match=r"--seconds 0\.01: too short"):
        Load("audio", [LoadedRoom([object(), object()], 1)], 50).datagrams(0.01)


def test_medians_and_spread():
    figure = Figure([Measurement(cost, 10.0, 1.0, 0.5, 0.0, 0.0) for cost in (2.0, 5.0, 4.0)])
    assert figure.median() == Measurement(4.0, 10.0, 1.0, 0.5, 0.0, 0.0)
    assert figure.spread() == 0.75
