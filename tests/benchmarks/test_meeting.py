"""A meeting by options: the order of the talkers, and a real meeting."""

import sys
from argparse import ArgumentParser

import pytest

from benchmarks.commands import meeting
from benchmarks.commands.meeting import LAYERS, TAKING_TURNS
from benchmarks.harness.report import BenchmarkError


def options(*arguments):
    parser = ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    meeting.add_options(parser)
    return parser.parse_args(arguments)


def test_as_many_talk_at_a_time_as_were_asked_for():
    ordered = options("--talkers", "2", "--rotate", "1")
    speakers = 2 * TAKING_TURNS
    times = meeting.turns(speakers, ordered, 7.0)
    for second in range(7):
        talking = [
            speaker for speaker in range(speakers) if any(second <= time < second + 1 for time in times[speaker])
        ]
        first = 2 * (second % TAKING_TURNS)
        assert talking == [first, first + 1]
    assert sum(map(len, times)) == pytest.approx(2 * 7 * 50, abs=speakers)


def test_without_rotation_everybody_with_a_microphone_talks():
    assert [len(times) for times in meeting.turns(3, options(), 2.0)] == [100] * 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--cameras", "4"], "cameras are those of talkers"),
        (["--listeners", "998"], "at most 1000"),
        (["--talkers", "200", "--rotate", "3", "--listeners", "500"], "600 with a microphone and 500 listeners"),
        (["--set", "rooms.loudest"], "not of the form KEY=VALUE"),
    ],
)
def test_what_cannot_be_held_is_told(arguments, reason):
    with pytest.raises(BenchmarkError, match=reason):
        meeting.run(options(*arguments))


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
def test_a_meeting_with_turns_and_layers_is_delivered(all_processors):
    participants = ("--talkers", "1", "--cameras", "1", "--layers", "2", "--listeners", "3")
    report = meeting.run(options(*participants, "--rotate", "0.5", "--seconds", "1.5"))
    rows = dict(report.tables[0].rows)
    pictures = 37 * sum(count for count, _ in LAYERS[:2])
    assert rows["participants"] == TAKING_TURNS + 3
    assert rows["datagrams sent"] == pytest.approx(75 + pictures, abs=TAKING_TURNS)
    assert rows["received"] == rows["expected at all receivers"] == rows["datagrams sent"] * (TAKING_TURNS + 2)
    assert 0 < rows["delay to the first receiver, p50 ms"] <= rows["delay to the last receiver, p99 ms"]
    assert report.bars[0].passed
