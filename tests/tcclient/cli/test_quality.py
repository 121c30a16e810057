"""The figures of a network."""

import json

from tcclient.audio.jitter_statistics import JitterStatistics
from tcclient.cli.quality import figures, full
from tcclient.core.path.proof import PathState, Way
from tcclient.core.path.statistics import DirectionStatistics, NetworkStatistics

UP = DirectionStatistics(packets=1_000, lost=50, recent_loss=0.125, jitter_ms=3.44, reordered=2, late=1, score=2.217)
DOWN = DirectionStatistics(packets=400, lost=4, recent_loss=0.0, jitter_ms=12.0, reordered=7, late=9)
NETWORK = NetworkStatistics(Way.UDP, PathState.OK, 0.0345, 0.002, 0.050, UP, DOWN)
NOTHING = DirectionStatistics(0, 0, 0.0, 0.0, 0, 0)


def test_all_figures_are_there_and_are_json():
    found = figures(NETWORK)
    assert json.loads(json.dumps(found)) == found
    assert found == {
        "path": "ok",
        "way": "udp",
        "rtt_ms": 34.5,
        "rtt_jitter_ms": 2.0,
        "control_rtt_ms": 50.0,
        "loss_up_percent": 5.0,
        "loss_up_recent_percent": 12.5,
        "jitter_up_ms": 3.4,
        "reordered_up": 2,
        "late_up": 1,
        "score_up": 2.22,
        "loss_down_percent": 1.0,
        "loss_down_recent_percent": 0.0,
        "jitter_down_ms": 12.0,
        "reordered_down": 7,
        "late_down": 9,
        "score_down": None,
        "packets": 396,
    }


def test_what_is_played_counts_where_there_is_a_play_out():
    voices = [JitterStatistics(concealed_ms=40, delay_ms=55.4), JitterStatistics(concealed_ms=20, delay_ms=30)]
    found = figures(NETWORK, voices)
    assert (found["concealed_ms"], found["delay_ms"]) == (60, 55)
    assert (figures(NETWORK, [])["concealed_ms"], figures(NETWORK, [])["delay_ms"]) == (0, 0)


def test_a_line_for_people():
    assert full(figures(NETWORK)) == (
        "UDP ok | RTT 34 ms, control 50 ms | "
        "up: loss 5.0 %, of late 12.5 %, jitter 3 ms, 2 reordered, 1 late, score 2.2 of 4.5 | "
        "down: loss 1.0 %, of late 0.0 %, jitter 12 ms, 7 reordered, 9 late, score -"
    )


def test_nothing_measured_is_no_zero():
    found = figures(NetworkStatistics(Way.STREAM, PathState.UNKNOWN, None, 0.0, None, NOTHING, NOTHING))
    assert (found["rtt_ms"], found["control_rtt_ms"], found["loss_up_percent"]) == (None, None, 0.0)
    assert full(found).startswith("stream unknown | RTT -, control - | up: loss 0.0 %")
