from itertools import pairwise

import pytest

from tcclient.core import PathState
from tcclient.core.media.quality import (
    BETTER_AFTER,
    ENOUGH,
    MAX_WINDOW,
    WINDOW,
    Advice,
    Figures,
    QualityMeter,
    Use,
    score,
)
from tcclient.core.path.statistics import DirectionStatistics
from tcproto.messages import Quality

NOTHING = Use()
OK, LOST, UNKNOWN = PathState.OK, PathState.LOST, PathState.UNKNOWN


class Line:
    """A connection whose counts grow by what is sent in each second."""

    def __init__(self) -> None:
        self.meter = QualityMeter()
        self.now = 100.0
        self.counts = {"up": [0, 0], "down": [0, 0]}

    def run(self, seconds, up=0.0, down=0.0, rate=50, rtt=0.08, jitter_ms=2.0, path=OK, use=NOTHING):
        found = []
        for _ in range(seconds):
            for way, loss in (("up", up), ("down", down)):
                self.counts[way][0] += rate
                self.counts[way][1] += round(rate * loss)
            self.now += 1
            directions = [DirectionStatistics(*self.counts[way], 0.0, jitter_ms, 0, 0) for way in ("up", "down")]
            self.meter.look(Figures(path, rtt, *directions), use, self.now)
            found.append(self.meter.quality)
        return found


def test_scores_fall_with_loss_jitter_and_delay():
    losses = [score(loss, 5, 0.08) for loss in (0, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses == pytest.approx([4.35, 4.09, 3.81, 3.04, 2.22, 1.5, 1.0], abs=0.01)
    assert score(0, 5, 0.4) > score(0, 60, 0.4) > score(0, 60, 1.0) > score(0, 60, 3.0) == 1.0


def test_nothing_is_said_before_the_path_is_proved():
    line = Line()
    assert line.run(3, path=UNKNOWN) == [Quality.UNKNOWN] * 3
    assert (line.meter.up, line.meter.down) == (None, None)
    assert line.run(1) == [Quality.EXCELLENT]


@pytest.mark.parametrize("way", ["up", "down"])
def test_the_worse_direction_counts_and_a_change_for_the_worse_is_told_at_once(way):
    line = Line()
    line.run(20)
    found = line.run(20, **{way: 0.1})
    assert found[0] is not Quality.POOR
    assert found[5:] == [Quality.POOR] * 15
    assert (line.meter.up < line.meter.down) is (way == "up")


def test_a_change_for_the_better_has_to_last():
    line = Line()
    line.run(20, up=0.2)
    found = line.run(40)
    assert [a for a, b in pairwise([*found, None]) if a is not b] == [Quality.POOR, Quality.GOOD, Quality.EXCELLENT]
    assert found.index(Quality.EXCELLENT) == pytest.approx(WINDOW + 2 * BETTER_AFTER, abs=3)
    assert line.meter.quality is Quality.EXCELLENT
    line = Line()
    line.run(20, up=0.2)
    for _ in range(3):
        assert set(line.run(int(WINDOW))) == {Quality.POOR}
        line.run(3, up=0.4)


def test_a_path_that_is_lost_says_so_and_one_that_is_back_too():
    line = Line()
    line.run(5)
    assert line.run(1, path=LOST) == [Quality.LOST]
    assert line.run(1) == [Quality.EXCELLENT]


def test_one_lost_ping_of_who_only_listens_means_nothing():
    line = Line()
    line.run(int(MAX_WINDOW), rate=1)
    line.counts["up"][1] += 1
    assert line.run(30, rate=1)[-1] is Quality.GOOD, "2 % of 50"
    fresh = Line()
    fresh.counts["up"][1] = 5
    assert set(fresh.run(ENOUGH - 2, rate=1)) == {Quality.EXCELLENT}


@pytest.mark.parametrize(
    ("line", "use", "advice"),
    [
        ({"up": 0.1}, Use(sends_pictures=True, gets_pictures=True), Advice.CAMERA_OFF),
        ({"up": 0.1}, Use(gets_pictures=True), Advice.UPLINK),
        ({"down": 0.1}, Use(sends_pictures=True, gets_pictures=True), Advice.FEWER_PICTURES),
        ({"down": 0.1}, Use(sends_pictures=True), Advice.DOWNLINK),
        ({"rtt": 1.2}, Use(sends_pictures=True), Advice.DELAY),
        ({"up": 0.02}, Use(sends_pictures=True), None),
        ({"up": 0.1, "path": LOST}, Use(sends_pictures=True), None),
    ],
)
def test_advice_says_what_could_be_done(line, use, advice):
    found = Line()
    found.run(15, use=use, **line)
    assert found.meter.advice is advice
    found.run(20, use=use)
    assert found.meter.advice is None
