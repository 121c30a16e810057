import pytest

from tcclient.cli.verdict import pictures, rate, sound
from tcclient.transport.probe import ProbeResult


def probed(
    received: int = 10, up: float | None = 2e6, down: float | None = 2e6, rtt_ms: float = 80.0, *, stream: bool = True
) -> ProbeResult:
    trip = rtt_ms if received else None
    return ProbeResult("h", 7433, "127.0.0.1", (1,), "tcserver", bytes(20), 80.0, 10, received, trip, up, down, stream)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (probed(), "will work well"),
        (probed(rtt_ms=500), "will work, with faults"),
        (probed(8), "will be hard to follow"),
        (probed(rtt_ms=1500), "will be hard to follow"),
        (probed(up=40e3), "the line is too slow for a voice"),
        (probed(up=None, down=None), "will work well"),
        (probed(0, None, None), "UDP is blocked here, so it goes in the TCP connection"),
        (probed(0, None, None, stream=False), "will NOT work: UDP is blocked"),
    ],
)
def test_sound(found: ProbeResult, words: str) -> None:
    assert words in sound(found)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (probed(), "will work"),
        (probed(up=256e3), "can be received; leave your camera off"),
        (probed(down=256e3), "can be sent; leave those of others off"),
        (probed(up=256e3, down=256e3), "will NOT work: leave your camera and those of others off"),
        (probed(up=None, down=None), "large datagrams do not get through"),
        (probed(0, None, None), "may work: how fast the line is was not measured"),
        (probed(0, None, None, stream=False), "will NOT work"),
    ],
)
def test_pictures(found: ProbeResult, words: str) -> None:
    assert words in pictures(found)


def test_rates_are_in_units_that_people_know() -> None:
    assert [rate(bits) for bits in (None, 256e3, 9.99e6, 10e6)] == [
        "unknown",
        "256 kbit/s",
        "9990 kbit/s",
        "over 10 Mbit/s",
    ]
