import contextlib
import typing
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcproto.messages import Caps, Kind
from tcserver.media import Counters, Drop, interface
from tcserver.media.lanes.lane import Weight
from tcserver.media.plane.stats import Counts, MediaStats, SeatStats, SocketState
from tcserver.media.workers.pipe import LENGTH_SIZE, decode, encode
from tcserver.monitoring.histogram import Histogram
from tcserver.monitoring.logs import LogSettings
from tcserver.monitoring.process_stats import ProcessStats

KEY = bytes(range(32))
ADDRESS = interface.Address(1, "fe80::1%eth0", 65535)
VALUES = [
    LogSettings("debug", "json"),
    interface.OpenSealer(1, 0xFFFFFFFF, 255, KEY, 3),
    interface.ShareRoom(1, 0, (0, 2)),
    interface.TellSealer(1, 2),
    interface.RotateSealer(1, 0, 2, KEY, 12345.678901234567),
    interface.CloseRoom(1),
    interface.OpenSeat(0xFFFFFF01, 1, 2, 3, KEY, KEY[::-1]),
    interface.OpenSeat(0xFFFFFF01, 1, 2, 3, KEY, KEY[::-1], 4),
    interface.RekeySeat(1, 2, KEY, KEY),
    interface.CloseSeat(1, 2),
    interface.OpenTicket(1, KEY, 0.5, 20),
    interface.OpenStream(1, 2, Kind.AUDIO, Caps(160_000, 130), muted=True, layers=1),
    interface.OpenStream(1, 2, None, Caps(16_000, 5)),
    interface.MuteStream(1, 2, muted=False),
    interface.CloseStream(1, 2),
    interface.ChangeForwarding(1, (2,), (), (5,)),
    interface.ChangeForwarding(1, (2, 3), (interface.Receiver(3), interface.Receiver(4, True, 0, 1))),
    interface.SendKeyframe(1, 2, 3, 4),
    interface.SetSpeakers(1, 3, (4, 5)),
    interface.SendUrgent((1, 0xFFFFFF02), b"message"),
    interface.SeatOpened(1, (interface.SealerState(1, 2, KEY, 2**48), interface.SealerState(1, 3, KEY, 0))),
    interface.SealerTold(1, (interface.SealerState(1, 2, KEY, 2**48),)),
    interface.PathProven(1, ADDRESS),
    interface.PathLost(1),
    interface.SeatSilent(1, True),
    interface.SeatLeft(1),
    interface.UrgentCame(1, b"message"),
    interface.SeatRekeyDue(1),
    interface.SealerRekeyDue(1, 2),
    interface.SpeakersChanged(1, (2, 3), (), 2),
    interface.KeyframeAsked(1, 2, 3),
    interface.Overloaded(0.25, 1e6),
    interface.WorkerLoad(3, 0.5),
    interface.WorkerReplaced(3),
    interface.RoomFailed(7),
]


def test_no_command_and_no_event_is_left_out():
    known = {*typing.get_args(interface.Command), *typing.get_args(interface.Event), LogSettings}
    assert {type(value) for value in VALUES} == known


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_arrives_as_it_was(value):
    frame = encode([value])
    assert int.from_bytes(frame[:LENGTH_SIZE], "big") == len(frame) - LENGTH_SIZE
    (decoded,) = decode(frame[LENGTH_SIZE:])
    assert decoded == value
    # Equality does not tell a named tuple from a tuple, nor a member of an enum from its value.
    assert repr(decoded) == repr(value)


def test_a_reading_arrives_as_it_was():
    latency = Histogram((0.001, 0.01))
    latency.observe(0.005)
    counters = Counters(received=7)
    counters.drops[Drop.BOX] = 3
    counts, seats = Counts(1, 2, 3, 4), (SeatStats(7, "192.0.2.1", 10, 9), SeatStats(8, "", 0, 0))
    stats = MediaStats(
        counters,
        5,
        {"EPERM": 1},
        {Weight.LARGE: 4},
        2,
        6,
        {"route": 7},
        3,
        8,
        latency,
        latency,
        latency,
        (SocketState(1, 2, 3),),
        counts,
        seats,
    )
    (decoded,) = decode(encode([stats])[LENGTH_SIZE:])
    assert repr(replace(decoded, latency=latency, rtt=latency, uplink_delay=latency)) == repr(stats)
    assert (decoded.latency.bounds, decoded.latency.sum) == (latency.bounds, latency.sum)
    decoded.latency.observe(1.0)
    assert decoded.latency.counts == [0, 1, 1]


@pytest.mark.parametrize("memory", [None, 1 << 40])
def test_a_reading_of_a_process_arrives_as_it_was(memory):
    lag, pauses = Histogram((0.001,)), (Histogram((0.1,)), Histogram((0.1,)))
    lag.observe(0.5)
    pauses[1].observe(0.05)
    stats = ProcessStats(lag, pauses, 1.5, memory)
    (decoded,) = decode(encode([stats])[LENGTH_SIZE:])
    assert repr(replace(decoded, loop_lag=lag, pauses=pauses)) == repr(stats)
    assert [histogram.counts for histogram in (decoded.loop_lag, *decoded.pauses)] == [[0, 1], [0, 0], [1, 0]]


def test_a_frame_holds_any_number_in_order():
    assert decode(encode([])[LENGTH_SIZE:]) == []
    assert decode(encode(VALUES)[LENGTH_SIZE:]) == VALUES


@given(st.binary(max_size=40))
@example(b"\x91\x92\x07\x01")
@example(b"\x91\x92\xa1a\x01")
def test_bytes_that_are_no_frame(body):
    try:
        values = decode(body)
    except ValueError:
        return
    assert isinstance(values, list)


@given(st.data())
def test_a_damaged_frame(data):
    body = bytearray(encode(VALUES)[LENGTH_SIZE:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        decode(bytes(body))
