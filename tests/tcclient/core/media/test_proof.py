import pytest

from tcclient.core import PathState
from tcclient.core.media.proof import IMPATIENT, PATIENT, Proof


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
            proof.hear()


def proven(patience):
    proof = Proof(patience, 0.0)
    proof.expire(None, 0.0)
    proof.pinged(True, 0.0)
    proof.prove(0.1)
    return proof


@pytest.mark.parametrize(("patience", "seconds"), [(PATIENT, 5.0), (IMPATIENT, 1.0)])
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
    proof.hear()
    assert proof.state is PathState.LOST
    proof.prove(5.0)
    assert proof.state is PathState.OK
