"""What each participant sends, and what a receiver is reported to have missed."""

from dataclasses import replace
from itertools import islice

import pytest

from benchmarks.commands.client import Meeting, remark, shares
from benchmarks.harness.participant_process import Loop, Task, read_tasks, write_tasks
from tcclient.video.codec import EncodedFrame


@pytest.mark.parametrize(
    ("voices", "pictures", "expected"),
    [(1, 0, [(1, 0)]), (5, 0, [(5, 0)]), (3, 4, [(3, 2), (0, 2)]), (0, 9, [(0, 5), (0, 4)]), (0, 0, [])],
)
def test_senders_share_what_is_sent(voices, pictures, expected):
    assert shares(voices, pictures) == expected


def test_tasks_survive_their_line():
    task = Task("tc://127.0.0.1/r", "me", "secret", "/tmp/me", voices=2, see=True, seconds=1.5)
    tasks = [task, replace(task, name="another", only_sound=True, interval=0.02)]
    assert read_tasks(write_tasks(tasks)) == tasks


def test_who_has_seconds_and_sends_nothing_is_a_receiver():
    task = Task("tc://127.0.0.1/r", "me", "secret", "/tmp/me", seconds=1.5)
    assert task.receives
    for other in ({"voices": 1}, {"pictures": 1}, {"seconds": 0.0}):
        assert not replace(task, **other).receives


@pytest.mark.parametrize(("blocks", "pictures", "fine"), [(100, 50, True), (100, 40, False), (90, 50, False)])
def test_a_figure_of_less_than_everything_says_so(blocks, pictures, fine):
    meeting = Meeting(1, 1, [{"blocks": blocks, "pictures": pictures}])
    assert (remark(meeting, 2.0) == "") is fine


def test_pictures_begin_anew_when_a_keyframe_is_wanted():
    loop = Loop([EncodedFrame(bytes((n,)), not n, 0) for n in range(3)])
    pictures = iter(loop)
    assert [picture.data[0] for picture in islice(pictures, 5)] == [0, 1, 2, 0, 1]
    loop.keyframe_wanted()
    wanted = next(pictures)
    assert (wanted.data, wanted.keyframe, wanted.timestamp) == (b"\0", True, 5 * 3600)
    assert next(pictures).data == b"\1"
