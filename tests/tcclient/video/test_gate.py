from hypothesis import given
from hypothesis import strategies as st

from tcclient.video.gate import ENOUGH, ReferenceTracker
from tcproto.packet import KEYFRAME_REQUEST_INTERVAL, MAX_KEYFRAME_REQUEST_INTERVAL
from tests.support.memory import largest_table
from tests.support.packets import picture_header


def test_nothing_is_decodable_before_a_keyframe_and_one_is_asked_for() -> None:
    gate = ReferenceTracker()
    assert gate.keyframe_due(10.0)
    assert not gate.admit(picture_header(4))
    assert not gate.keyframe_due(10.0 + KEYFRAME_REQUEST_INTERVAL - 0.001)
    assert gate.keyframe_due(10.0 + KEYFRAME_REQUEST_INTERVAL)
    assert gate.admit(picture_header(5, keyframe=True))
    assert not gate.keyframe_due(20.0)
    assert gate.admit(picture_header(6))


def asked(gate: ReferenceTracker, start: float, seconds: float) -> list[float]:
    """Return when a keyframe is requested, with a check every 10 ms."""
    times = (start + n / 100 for n in range(round(seconds * 100)))
    return [round(now - start, 2) for now in times if gate.keyframe_due(now)]


def test_where_keyframes_do_not_help_they_are_asked_for_ever_more_seldom() -> None:
    gate = ReferenceTracker()
    assert asked(gate, 0.0, 60) == [0.0, 0.5, 2.5, 10.5, 26.5, 42.5, 58.5]
    # A keyframe that brings only a few pictures has not helped.
    for number in range(ENOUGH - 1):
        gate.admit(picture_header(number, keyframe=not number))
    gate.broken()
    assert asked(gate, 60.0, 30) == [14.5]
    for number in range(ENOUGH):
        gate.admit(picture_header(number, keyframe=not number))
    gate.broken()
    assert asked(gate, 100.0, 3) == [0.0, 0.5, 2.5]
    assert MAX_KEYFRAME_REQUEST_INTERVAL == 16


def test_after_a_loss_nothing_is_decodable_until_the_next_keyframe() -> None:
    gate = ReferenceTracker()
    gate.admit(picture_header(0, keyframe=True))
    assert not gate.admit(picture_header(2))
    assert not gate.admit(picture_header(3))
    assert gate.keyframe_due(0.0)
    assert gate.admit(picture_header(4, keyframe=True))
    assert not gate.admit(picture_header(5, reference=3))  # refers to what was before the keyframe


def test_a_lost_frame_of_a_discardable_layer_stops_nothing() -> None:
    gate = ReferenceTracker()
    gate.admit(picture_header(0, keyframe=True))
    # frame 2 (layer 1) is lost; frame 3 refers to it, frame 4 of the base layer does not
    assert not gate.admit(picture_header(3, temporal=2))
    assert not gate.keyframe_due(0.0)
    assert gate.admit(picture_header(4, reference=4))


def test_a_frame_that_refers_to_itself_or_too_far_back_is_refused() -> None:
    gate = ReferenceTracker()
    gate.admit(picture_header(0, keyframe=True))
    assert not gate.admit(picture_header(1, reference=0))
    assert not gate.admit(picture_header(256, reference=256))


def test_a_broken_decoder_waits_for_a_keyframe() -> None:
    gate = ReferenceTracker()
    gate.admit(picture_header(0, keyframe=True))
    gate.broken()
    assert gate.keyframe_due(0.0)
    assert not gate.admit(picture_header(1))


def test_the_chain_goes_on_over_the_wrap_and_does_not_grow() -> None:
    gate = ReferenceTracker()
    gate.admit(picture_header(65000, keyframe=True))
    for number in range(65001, 65000 + 70000):
        assert gate.admit(picture_header(number % 65536))
        if not number % 1000:
            assert largest_table(gate) <= 512
    assert not gate.keyframe_due(0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 4)), max_size=60), st.integers(0, 65535))
def test_a_frame_is_admitted_exactly_if_its_chain_reaches_a_keyframe(
    frames: list[tuple[bool, bool, int]], first: int
) -> None:
    gate = ReferenceTracker()
    decodable: set[int] = set()
    for number, (lost, keyframe, distance) in enumerate(frames):
        if lost:
            continue
        if keyframe:
            decodable = {number}
        elif number - distance in decodable:
            decodable.add(number)
        admitted = gate.admit(picture_header((first + number) % 65536, keyframe=keyframe, reference=distance))
        assert admitted == (number in decodable)
