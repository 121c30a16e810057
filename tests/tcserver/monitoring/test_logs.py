import io
import json
import logging
from collections.abc import Iterator

import pytest

from tcproto.errors import ErrorCode, ProtocolError
from tcserver.monitoring.logs import (
    EVENT_BURST,
    MAX_EVENTS,
    MAX_VALUE_CHARACTERS,
    ROOT,
    EventLimiter,
    EventLog,
    configure,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> EventLog:
    return EventLog("test", EventLimiter(clock))


@pytest.fixture(autouse=True)
def _restore_root() -> Iterator[None]:
    yield
    logging.getLogger(ROOT).handlers.clear()


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_text_is_one_line_of_keys_and_values(log: EventLog) -> None:
    stream = io.StringIO()
    configure("info", "text", stream)
    log.info("login failed", account="kantor-1", address="[::1]:5", n=3, took=0.1234567891, key=b"\x01\xff", who="a b")
    (line,) = lines(stream)
    date, time, rest = line.split(" ", 2)
    assert len(date) == 10
    assert "." in time
    assert rest == (
        'info tcserver.test login failed account=kantor-1 address=[::1]:5 n=3 took=0.123457 key=01ff who="a b"'
    )


def test_a_peer_cannot_forge_a_line(log: EventLog) -> None:
    stream = io.StringIO()
    configure("info", "text", stream)
    log.info("login", name='x"\n2026-01-01 error \x1b[31m\u202e', empty="", long="y" * 1000)
    (line,) = lines(stream)
    assert r'name="x\"\n2026-01-01 error \u001b[31m\u202e"' in line
    assert 'empty=""' in line
    assert line.endswith("yyy...")
    assert len(line) < 2 * MAX_VALUE_CHARACTERS + 100


def test_json_is_one_object_a_line(log: EventLog) -> None:
    stream = io.StringIO()
    configure("debug", "json", stream)
    log.debug("login", account="kantor-1", n=3, key=b"\x01", level="mine", nothing=None)
    line = json.loads(stream.getvalue())
    assert isinstance(line.pop("time"), float)
    assert line == {
        "level": "debug",
        "logger": "tcserver.test",
        "event": "login",
        "account": "kantor-1",
        "n": 3,
        "key": "01",
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_severities_below_the_level_are_left_out(log: EventLog, level: str, logged: list[str]) -> None:
    stream = io.StringIO()
    configure(level, "text", stream)
    log.debug("debug")
    log.info("info")
    log.warning("warning")
    log.error("error")
    assert [line.split()[-1] for line in lines(stream)] == logged


def test_configuring_again_replaces(log: EventLog) -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("info", "text", first)
    configure("error", "json", second)
    log.info("not seen")
    log.error("seen")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["event"] == "seen"


@pytest.mark.parametrize(
    ("error", "tail"),
    [
        (ProtocolError(ErrorCode.BAD_FRAME, "too\nlong"), r'fault code=bad_frame detail="too\nlong" address=::1'),
        (ConnectionResetError("gone"), "fault error=ConnectionResetError detail=gone address=::1"),
    ],
)
def test_a_fault_of_a_peer_is_one_line(log: EventLog, error: Exception, tail: str) -> None:
    stream = io.StringIO()
    configure("info", "text", stream)
    try:
        raise error
    except Exception as caught:
        log.fault("fault", caught, address="::1")
    (line,) = lines(stream)
    assert sorted(line.split("fault ", 1)[1].split(" ")) == sorted(tail.split("fault ", 1)[1].split(" "))


@pytest.mark.parametrize("style", ["text", "json"])
def test_an_error_of_our_own_has_its_traceback(log: EventLog, style: str) -> None:
    stream = io.StringIO()
    configure("info", style, stream)
    try:
        raise ZeroDivisionError("ours")
    except ZeroDivisionError as error:
        log.crash("crash", error, room="a")
    text = json.loads(stream.getvalue())["traceback"] if style == "json" else stream.getvalue()
    assert "Traceback" in text
    assert "ZeroDivisionError: ours" in text


def test_a_flood_of_one_event_is_counted_and_leaves_others_alone(log: EventLog, clock: Clock) -> None:
    stream = io.StringIO()
    configure("info", "text", stream)
    for _ in range(1000):
        log.info("flood")
    log.info("other")
    assert len(lines(stream)) == EVENT_BURST + 1
    clock.now += 1
    log.info("flood")
    log.info("flood")
    assert lines(stream)[-1].endswith(f"flood suppressed={1000 - EVENT_BURST}")
    log.report_suppressed()
    log.report_suppressed()
    assert lines(stream)[-1].endswith("events suppressed name=flood suppressed=1")
    assert len(lines(stream)) == EVENT_BURST + 3


def test_rates_follow_the_given_clock_only(clock: Clock) -> None:
    limiter = EventLimiter(clock, burst=2, per_s=0.5)
    assert [limiter.admit("event") for _ in range(4)] == [0, 0, None, None]
    clock.now += 1
    assert limiter.admit("event") is None
    clock.now += 1
    assert limiter.admit("event") == 3
    clock.now += 10_000
    assert [limiter.admit("event") for _ in range(3)] == [0, 0, None]


def test_the_events_that_are_counted_are_bounded(clock: Clock) -> None:
    limiter = EventLimiter(clock, burst=1)
    for number in range(MAX_EVENTS * 2):
        limiter.admit(f"event {number}")
    # Each counted line was logged once. All others are one event, which was logged once, too.
    assert limiter.take_suppressed() == {"other": (MAX_EVENTS - 1, logging.INFO)}
