"""When voices are asked for at their low rate."""

import pytest

from tcclient.core.downlink.ladder import STABLE
from tcclient.core.downlink.subscription import Wishes
from tcproto.messages import Source, StreamChoice
from tests.tcclient.core.downlink.bench import meeting


def test_the_low_rate_is_asked_for_where_a_voice_has_one_and_the_line_bears_no_other():
    bench = meeting(Wishes((Source.MICROPHONE,)))
    bench.publish(2, 22, Source.MICROPHONE_LOW)
    bench.come(2, 0.0, s20=54_000)
    assert bench.asked.defaults == (Source.MICROPHONE,)
    bench.come(1, 0.3, s20=28_000)
    assert bench.asked.defaults == (Source.MICROPHONE, Source.MICROPHONE_LOW)
    bench.answers = 30_000
    bench.come(4 * STABLE, 0.0, s22=22_000)
    assert Source.MICROPHONE_LOW in bench.asked.defaults
    bench.answers = 1_000_000
    bench.come(2 * STABLE, 0.0, s22=22_000)
    assert bench.asked.defaults == (Source.MICROPHONE,)


def test_voices_at_the_low_rate_are_as_many_as_the_line_bears():
    bench = meeting(Wishes((Source.MICROPHONE,)))
    bench.publish(2, 22, Source.MICROPHONE_LOW)
    bench.publish(3, 33, Source.MICROPHONE_LOW)
    bench.come(2, 0.0, s20=54_000)
    bench.come(1, 0.3, s20=28_000)
    assert (bench.asked.voices, Source.MICROPHONE_LOW in bench.asked.defaults) == (0, True)
    bench.come(2, 0.0, s22=22_000)
    bench.come(1, 0.3, s22=14_000, s33=14_000)
    assert (bench.asked.voices, Source.MICROPHONE_LOW in bench.asked.defaults) == (1, True)


@pytest.mark.parametrize("wishes", [Wishes((Source.CAMERA,)), Wishes((Source.CAMERA,), (StreamChoice(20),))])
def test_no_low_rate_is_asked_for_where_microphones_are_not_wanted_of_all(wishes):
    bench = meeting(wishes)
    bench.publish(2, 22, Source.MICROPHONE_LOW)
    bench.come(2, 0.0, s20=54_000)
    bench.come(2, 0.3, s20=28_000)
    assert Source.MICROPHONE_LOW not in bench.asked.defaults
    assert not bench.subscription.ladder.low_rate
