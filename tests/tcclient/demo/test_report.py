from typing import Any

import pytest

from tcclient.demo.report import MAX_ROWS, report_on


def reports(count: int = 3) -> list[dict[str, Any]]:
    """Reports of a demonstration in which each participant speaks and receives everything."""
    return [
        {
            "user": f"u{me}",
            "sent": [stream(me)],
            "received": [stream(other) | received(me, other) for other in range(count) if other != me],
        }
        for me in range(count)
    ]


def stream(user: int) -> dict[str, Any]:
    counts = {"packets": 1250, "frames": 1250, "checksum": user, "bitrate": 25_200.0}
    return {"stream": user, "kind": "audio", **counts}


def received(user: int, other: int) -> dict[str, Any]:
    latency = {"p50": 21.0, "p95": 22.4}
    fields = {"from": f"u{other}", "lost": 0, "concealed_ms": 40, "latency_ms": latency}
    return {**fields, "recordings": [f"out/u{user}/u{other}.ogg"]}


def words(line: str) -> str:
    """A row without the blanks that align it."""
    return " ".join(line.split())


def test_who_got_everything_is_told_so() -> None:
    report = report_on(reports())
    assert report.complete
    assert report.as_json() == {"complete": True, "faults": [], "participants": reports()}
    assert report.recordings()[:2] == ["out/u0/u1.ogg", "out/u0/u2.ogg"]
    header, rule, sent, got, *more = report.table().splitlines()
    assert words(header) == "participant stream packets lost frames concealed bitrate latency p50/p95"
    assert set(rule) == {"-", " "}
    assert words(sent) == "u0 -> audio 1,250 1,250 25.2 kbit/s"
    assert words(got) == "u0 <- u1 audio 1,250 0 1,250 40 ms 25.2 kbit/s 21 / 22 ms"
    assert len(more) == 7


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"packets": 1249}, "1249 of 1250 packets"),
        ({"frames": 1249}, "1249 of 1250 frames"),
        ({"checksum": 99}, "the frames are not those that were sent"),
        ({"recordings": []}, "no recording"),
        ({"stream": 99}, "never seen"),
    ],
)
def test_what_one_participant_missed_is_a_fault(change: dict[str, Any], fault: str) -> None:
    changed = reports()
    changed[2]["received"][0].update(change)
    report = report_on(changed)
    assert not report.complete
    assert report.faults == (f"u2 <- u0 audio: {fault}",)


def test_a_silent_source_is_a_fault_at_each_receiver() -> None:
    changed = reports()
    changed[0]["sent"][0]["packets"] = 0
    assert report_on(changed).faults == tuple(f"u{n} <- u0 audio: nothing was sent" for n in (1, 2))


def test_a_large_table_sums_up_the_receivers() -> None:
    many = reports(9)
    assert sum(len(report["sent"]) + len(report["received"]) for report in many) > MAX_ROWS
    many[3]["received"][0]["packets"] = 1200
    lines = report_on(many).table().splitlines()
    assert words(lines[3]) == "8 receivers <- u0 audio 1,200-1,250 0 1,250 worst 21 / 22 ms"
    assert len(lines) == 2 + 2 * 9
