"""One voice out of a microphone and its low rate."""

from hypothesis import given
from hypothesis import strategies as st

from tcclient.core.media.voice import Voice
from tcproto.packet import AudioHeader

MICROPHONE, LOW = 7, 8
MS = 48


def usual(number: int, sequence: int | None = None) -> AudioHeader:
    return AudioHeader(MICROPHONE, 1, 0, number if sequence is None else sequence, number * 20 * MS, 20)


def low(number: int, first: int = 0) -> AudioHeader:
    return AudioHeader(LOW, 1, 0, number, (first + number * 60) * MS, 60)


def taken(voice: Voice, *headers: AudioHeader) -> list[int | None]:
    """Return the sequence numbers of the voice; None: the packet is left out."""
    found = (voice.take(header) for header in headers)
    return [None if header is None else header.sequence for header in found]


def test_a_microphone_alone_keeps_its_numbers():
    assert taken(Voice(), usual(5), usual(4), usual(9), usual(6)) == [5, 4, 9, 6]


def test_the_change_to_the_low_rate_is_where_the_microphone_ended():
    voice = Voice()
    assert taken(voice, usual(0), usual(1), usual(2), low(0), low(1), low(2)) == [0, 1, 2, None, 3, 4]
    assert voice.streams == {MICROPHONE, LOW}


def test_a_gap_at_the_change_counts_as_one_lost_packet():
    assert taken(Voice(), usual(0), usual(1), low(0), low(1)) == [0, 1, None, 3], "20 ms are missing"


def test_the_change_to_the_microphone_loses_what_the_low_rate_had_begun():
    assert taken(Voice(), low(0), low(1), usual(4), usual(5), usual(6), usual(7)) == [0, 1, None, None, 2, 3]


def test_while_both_come_only_one_is_heard():
    voice, numbers = Voice(), []
    for n in range(100):
        numbers += taken(voice, usual(n))
        if n % 3 == 2:
            numbers += taken(voice, low(n // 3))
    assert [number for number in numbers if number is not None] == list(range(100))


def test_what_comes_late_of_the_stream_before_is_left_out():
    assert taken(Voice(), usual(0), usual(2), low(1), usual(1), low(2)) == [0, 2, 3, None, 4]


def test_numbers_and_timestamps_wrap():
    voice, last = Voice(), 2**32 - 1
    header = AudioHeader(MICROPHONE, 1, 0, last, 2**32 - 960, 20)
    assert taken(voice, header, AudioHeader(LOW, 1, 0, 0, 0, 60)) == [last, 0]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=60))
def test_no_moment_is_heard_twice_from_two_streams(arrivals: list[tuple[bool, int]]):
    """Whatever comes in whatever order: each packet at most once, as after the check for replays."""
    voice, seen = Voice(), set()
    covered: dict[int, int] = {}
    for is_low, number in dict.fromkeys(arrivals):
        header = low(number) if is_low else usual(number)
        found = voice.take(header)
        if found is None:
            continue
        assert found.sequence not in seen
        seen.add(found.sequence)
        for moment in range(header.timestamp // (20 * MS), header.timestamp // (20 * MS) + header.duration_ms // 20):
            assert covered.setdefault(moment, header.stream) == header.stream
