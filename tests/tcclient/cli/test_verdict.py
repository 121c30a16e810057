import pytest

from tcclient.cli.verdict import pictures, rates, sound
from tcclient.transport.probe import ProbeResult


def probed(
    received: int = 10,
    up: float | None = 2e6,
    down: float | None = 2e6,
    rtt_ms: float = 80.0,
    *,
    stream: tuple[float | None, float | None] | None = (None, None),
    stream_rtt_ms: float = 90.0,
) -> ProbeResult:
    """Return what a probe may find; ``stream`` are the rates of the stream path, None where there is none."""
    trip = rtt_ms if received else None
    rates, works = stream or (None, None), stream is not None
    server = ("h", 7433, "127.0.0.1", (1,), "tcserver", bytes(20))
    return ProbeResult(*server, 80.0, 10, received, trip, up, down, works, stream_rtt_ms if works else None, *rates)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (probed(), "will work well"),
        (probed(rtt_ms=500), "will work, with faults"),
        (probed(8), "will be hard to follow"),
        (probed(rtt_ms=1500), "will be hard to follow"),
        (probed(up=40e3), "the line is too slow for a voice"),
        (probed(down=40e3), "the line is too slow for a voice"),
        (probed(up=None, down=None), "will work well"),
        (probed(0, None, None), "UDP is blocked here, so it goes in the TCP connection"),
        (probed(0, None, None, stream=(2e6, 256e3)), "UDP is blocked here, so it goes in the TCP connection"),
        (probed(0, None, None, stream=(2e6, 40e3)), "will NOT work well: the line is too slow for a voice"),
        (probed(0, None, None, stream=(40e3, 2e6)), "will NOT work well: the line is too slow for a voice"),
        (probed(0, None, None, stream=(2e6, 2e6), stream_rtt_ms=1500), "will be hard to follow: it takes too long"),
        (probed(0, None, None, stream=None), "will NOT work: UDP is blocked"),
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
        (probed(up=None, down=None), "may work: how fast the line is was not measured"),
        (probed(up=None, down=None, stream=None), "will NOT work: large datagrams do not get through"),
        (probed(up=None, down=None, stream=(2e6, 2e6)), "will work, in the TCP connection"),
        (probed(0, None, None), "may work: how fast the line is was not measured"),
        (probed(0, None, None, stream=(2e6, 2e6)), "will work, in the TCP connection"),
        (
            probed(0, None, None, stream=(256e3, 2e6)),
            "can be received, in the TCP connection; leave your camera off",
        ),
        (probed(0, None, None, stream=(256e3, 256e3)), "will NOT work: leave your camera"),
        (probed(0, None, None, stream=None), "will NOT work"),
    ],
)
def test_pictures(found: ProbeResult, words: str) -> None:
    assert words in pictures(found)


@pytest.mark.parametrize(
    ("up", "down", "words"),
    [
        (None, None, "rate unknown"),
        (256e3, 256e3, "up 256 kbit/s, down 256 kbit/s (at least)"),
        (9.99e6, 10e6, "up 9990 kbit/s, down over 10 Mbit/s (at least)"),
    ],
)
def test_rates_are_in_units_that_people_know(up: float | None, down: float | None, words: str) -> None:
    assert rates(up, down) == words
