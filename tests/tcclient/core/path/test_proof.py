import pytest

from tcclient.core import PathState
from tcclient.core.path.proof import IMPATIENT, LARGE_TRIES, PATIENT, LargeProof, Proof
from tcproto.path import SPEECH_PATIENCE


def silence(proof, now, rtt=None, hear=False):
    """Ping until the way is lost; return the seconds from the first of these pings. ``hear``: other datagrams come."""
    start = None
    while True:
        now = proof.next_deadline
        start = now if start is None else start
        proof.expire(rtt, now)
        if proof.state is PathState.LOST or now > start + 60:
            return now - start
        proof.pinged(True, now)
        if hear:
            proof.hear(now)


def proven(patience):
    proof = Proof(patience, 0.0)
    proof.expire(None, 0.0)
    proof.pinged(True, 0.0)
    proof.prove(0.1)
    return proof


@pytest.mark.parametrize(("patience", "seconds"), [(PATIENT, 5.0), (IMPATIENT, 0.8)])
def test_a_way_that_never_answers_is_lost(patience, seconds):
    assert silence(Proof(patience, 7.0), 7.0) == pytest.approx(seconds)


@pytest.mark.parametrize(("patience", "seconds"), [(PATIENT, 3.0), (IMPATIENT, 1.5)])
def test_a_way_that_answers_no_more_is_lost(patience, seconds):
    assert silence(proven(patience), 1.0) == pytest.approx(seconds, abs=0.11)


def test_other_datagrams_keep_a_way_only_where_there_is_no_other():
    assert silence(proven(PATIENT), 1.0, hear=True) > 60
    assert silence(proven(IMPATIENT), 1.0, hear=True) == pytest.approx(1.5, abs=0.11)


def test_where_answers_are_needed_they_may_take_a_round_trip_more():
    assert silence(proven(IMPATIENT), 1.0, rtt=0.6) == pytest.approx(2.1, abs=0.11)
    assert silence(proven(PATIENT), 1.0, rtt=0.6) == pytest.approx(3.0, abs=0.11)


def test_an_answer_brings_a_lost_way_back():
    proof = Proof(IMPATIENT, 0.0)
    silence(proof, 0.0)
    proof.hear(4.9)
    assert proof.state is PathState.LOST
    proof.prove(5.0)
    assert proof.state is PathState.OK


def pings(proof, now, seconds, rtt=None):
    """Return when pings are sent in so many seconds without anything that comes."""
    end, times = now + seconds, []
    while proof.next_deadline <= end:
        times.append(proof.next_deadline)
        proof.expire(rtt, times[-1])
        proof.pinged(True, times[-1])
    return times


def hearing(patience, speech=True):
    """A way with a ping at 0.2 s that was answered, and a datagram at 0.3 s: the next ping is due at 1.2 s."""
    proof = proven(patience)
    proof.expire(None, 0.2)
    proof.pinged(True, 0.2)
    proof.prove(0.25)
    proof.expect(speech)
    proof.hear(0.3)
    return proof


@pytest.mark.parametrize("patience", [PATIENT, IMPATIENT])
def test_speech_that_is_missing_is_pinged_for_at_once_and_again(patience):
    assert pings(hearing(patience), 0.3, 0.4) == pytest.approx([0.45, 0.55, 0.65])


def test_the_next_ping_for_missing_speech_waits_for_a_round_trip():
    assert pings(hearing(PATIENT), 0.3, 1.0, rtt=0.6) == pytest.approx([0.45, 1.05])


def test_whatever_comes_ends_the_hurry():
    proof = hearing(PATIENT)
    assert pings(proof, 0.3, SPEECH_PATIENCE) == pytest.approx([0.45])
    proof.hear(0.5)
    assert pings(proof, 0.5, 1.0) == pytest.approx([1.45]), "the ping of each second"


def test_nothing_is_missing_after_the_end_of_talk_or_on_a_way_that_is_not_proved():
    assert pings(hearing(PATIENT, speech=False), 0.3, 1.0) == pytest.approx([1.2])
    fresh = Proof(PATIENT, 0.0)
    fresh.expect(speech=True)
    assert pings(fresh, 0.0, 0.6) == pytest.approx([0.0, 0.2, 0.5])


def test_where_there_is_another_way_the_first_pings_come_faster():
    assert pings(Proof(IMPATIENT, 0.0), 0.0, 1.3) == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.3])


@pytest.mark.parametrize(("rtt", "late"), [(0.0, 0.4), (0.08, 0.4), (0.25, 0.6), (0.5, None)])
def test_the_first_answer_is_late_after_three_pings_and_two_round_trips(rtt, late):
    proof, found = Proof(IMPATIENT, 7.0), None
    while proof.state is PathState.UNKNOWN and found is None:
        now = proof.next_deadline
        found = now if proof.is_late(rtt, now) else None
        proof.expire(None, now)
        proof.pinged(True, now)
    assert found == (None if late is None else pytest.approx(7.0 + late))
    proof.prove(8.0)
    assert not proof.is_late(rtt, 20.0)


def test_every_other_ping_is_large_until_one_is_answered():
    large = LargeProof()
    assert [large.take() for _ in range(4)] == [True, False, True, False]
    large.answered(True)
    assert [large.take() for _ in range(4)] == [False] * 4
    assert not large.is_stopped


def test_large_datagrams_are_stopped_if_only_small_ones_are_answered():
    large, unanswered = LargeProof(), LargeProof()
    for _ in range(LARGE_TRIES):
        assert not large.is_stopped
        assert large.take()
        assert not large.take()
        large.answered(False)
        unanswered.take()
        unanswered.take()
    assert large.is_stopped
    assert not large.take(), "it is known now"
    assert not unanswered.is_stopped, "nothing at all is answered: that is another fault"
