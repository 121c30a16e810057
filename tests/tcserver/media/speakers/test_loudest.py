"""The contest for the places of the loudest, and the pre-roll of talkers without a place."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.packet import SPEECH_LEVEL
from tcserver.media.speakers.loudest import CHALLENGE, EXPIRY, FADE, HOLD, MARGIN, PAUSE, Loudest

FRAME = 0.02
TALK, SOFT, SILENT = 30, 50, 90


class Contest:
    """Streams 1, 2, … of seats 1001, 1002, …, a packet of each every 20 ms."""

    def __init__(self, limit: int = 3, always: tuple[int, ...] = ()) -> None:
        self.loudest = Loudest()
        self.loudest.configure(limit, always)
        self.frame = 0

    def run(self, seconds: float, **levels: int) -> set[int]:
        """``s2=30``: stream 2 talks at -30 dBov; above 60 there is no voice.

        Return the streams that are forwarded at the end.
        """
        passed = set()
        for _ in range(round(seconds / FRAME)):
            self.frame += 1
            passed = set()
            for name, level in levels.items():
                stream = int(name[1:])
                if self.loudest.hear(stream, 1000 + stream, stream, level, level < 60, self.frame * FRAME):
                    passed.add(stream)
        return passed

    def time_to_win(self, challenger: int, **levels: int) -> float:
        """Return the seconds until a stream is forwarded; at most 3."""
        seconds = 0.0
        while challenger not in self.run(FRAME, **levels) and seconds < 3:
            seconds += FRAME
        return seconds


def test_free_places_are_won_with_the_first_packet_of_voice_and_kept_in_silence():
    contest = Contest()
    assert contest.run(1, s1=SILENT, s2=SILENT, s3=SILENT, s4=SILENT) == set()
    assert contest.run(FRAME, s1=TALK, s2=SOFT, s3=TALK) == {1, 2, 3}
    assert contest.run(9, s1=SILENT, s2=SILENT, s3=TALK, s4=SILENT) == {1, 2, 3}


@pytest.mark.parametrize(("level", "wins"), [(SPEECH_LEVEL, True), (SPEECH_LEVEL + 1, False)])
def test_what_is_loud_contends_without_the_voice_flag(level, wins):
    loudest = Loudest()
    loudest.configure(1, ())
    assert loudest.hear(1, 1001, 1001, level, False, 1.0) == wins


def test_the_place_of_whoever_is_silent_longest_is_won_at_once():
    contest = Contest()
    contest.run(1, s1=TALK, s2=TALK, s3=TALK)
    contest.run(1, s1=TALK, s2=SILENT, s3=TALK)
    contest.run(EXPIRY, s1=TALK, s2=SILENT, s3=SILENT)
    assert contest.run(2 * FRAME, s1=TALK, s2=SILENT, s3=SILENT, s4=SOFT) == {1, 3, 4}
    assert contest.run(FRAME, s1=TALK, s2=SOFT, s3=SILENT, s4=SOFT) == {1, 2, 4}
    assert contest.run(HOLD / 2, s1=TALK, s2=SOFT, s3=TALK, s4=SOFT) == {1, 2, 4}


def test_a_pause_shorter_than_the_expiry_costs_nothing():
    contest = Contest(1)
    contest.run(1, s1=SOFT)
    assert contest.run(EXPIRY - FRAME, s1=SILENT, s2=SOFT) == {1}
    assert contest.run(FRAME, s1=SOFT, s2=SOFT) == {1}


def test_a_talker_loses_the_place_only_to_who_is_clearly_louder_for_a_while():
    contest = Contest(1)
    contest.run(2, s1=SOFT)
    assert contest.run(5, s1=SOFT, s2=SOFT - MARGIN + 1) == {1}
    took = contest.time_to_win(2, s1=SOFT, s2=SOFT - MARGIN - 1)
    assert CHALLENGE <= took <= CHALLENGE + 0.15
    # Now the other way round: what was won is safe for a while.
    assert contest.time_to_win(1, s1=10, s2=SOFT - MARGIN - 1) == pytest.approx(HOLD - FRAME)


def test_a_pause_ends_a_turn_though_the_detector_calls_it_voice_for_longer():
    contest = Contest(1)
    contest.run(1, s1=20)
    assert contest.run(PAUSE - 2 * FRAME, s1=20 + FADE + 3, s2=TALK) == {1}
    assert contest.run(4 * FRAME, s1=20 + FADE + 3, s2=TALK) == {2}
    fresh = Contest(1)
    fresh.run(FRAME, s1=20)
    assert fresh.time_to_win(2, s1=20 + FADE + 3, s2=TALK) == pytest.approx(HOLD - FRAME, abs=FRAME)


def test_a_cough_takes_no_place_from_a_talker():
    contest = Contest(1)
    contest.run(2, s1=SOFT, s2=SILENT)
    assert contest.run(CHALLENGE - FRAME, s1=SOFT, s2=10) == {1}
    assert contest.run(1, s1=SOFT, s2=SILENT) == {1}


def test_levels_are_claims_so_a_seat_holds_one_place():
    loudest = Loudest()
    loudest.configure(2, ())
    assert loudest.hear(1, 1001, 1001, TALK, True, 1.0)
    assert not loudest.hear(2, 1001, 1001, TALK, True, 1.0)
    assert loudest.hear(3, 1003, 1003, TALK, True, 1.0)
    assert loudest.hear(2, 1001, 1001, TALK, True, 1.01 + EXPIRY), "its own, which has fallen silent"
    assert loudest.holders == (3, 2)


class Talk:
    """Return levels of a talker: syllables, gaps between words, and a pause now and then."""

    def __init__(self, seed: int, loud: int = 30) -> None:
        self.random = random.Random(seed)
        self.loud = loud
        self.frames: list[int] = []

    def level(self) -> int:
        if not self.frames:
            for _ in range(self.random.randint(3, 8)):
                self.frames += [self.loud + self.random.randint(-4, 4)] * self.random.randint(4, 9)
                self.frames += [self.loud + self.random.randint(15, 35)] * self.random.randint(2, 5)
            self.frames += [70] * self.random.randint(10, 60)
        return self.frames.pop()


class Crowd:
    """Talkers, and attackers that claim any level they like, in steps of 20 ms. Measures the loss of talkers."""

    def __init__(self, limit: int = 3) -> None:
        self.loudest = Loudest()
        self.loudest.configure(limit, ())
        self.talkers: dict[int, Talk] = {}
        self.attackers: dict[int, tuple[int, Callable[[float], int]]] = {}
        """By stream: account, and level by time."""
        self.now = 0.0
        self.passed: Counter[int] = Counter()
        self.spoken: Counter[int] = Counter()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME)):
            self.now += FRAME
            for stream, (account, level) in self.attackers.items():
                self.loudest.hear(stream, 5000 + stream, account, level(self.now), True, self.now)
            for stream, talk in self.talkers.items():
                level = talk.level()
                passed = self.loudest.hear(stream, 1000 + stream, stream, level, level < 60, self.now)
                if level < 45:
                    self.spoken[stream] += 1
                    self.passed[stream] += passed

    def lost(self) -> float:
        """Share of the loud frames that were not forwarded at once. Pre-roll still brings the newest of them."""
        return 1 - self.passed.total() / self.spoken.total()


LIES = {
    "the loudest always": lambda now: 0,
    "a hum": lambda now: 25,
    "nearly constant": lambda now: round(now / FRAME) % 2 * 4,
    "slowly louder and softer": lambda now: round(abs(now % 60 - 30)),
}


@pytest.mark.no_cover  # it is long
@pytest.mark.parametrize("level", LIES.values(), ids=LIES)
@pytest.mark.parametrize("accounts", [1, 4])
def test_a_level_that_says_nothing_takes_nothing_from_those_who_talk(level: Callable[[float], int], accounts: int):
    crowd = Crowd()
    crowd.attackers = {900 + n: (-1 - n % accounts, level) for n in range(4)}
    crowd.run(5)
    crowd.talkers = {1: Talk(1), 2: Talk(2, 40)}
    crowd.run(2)
    crowd.passed.clear()
    crowd.spoken.clear()
    crowd.run(300)
    assert crowd.lost() <= 0.005
    # Silence gives them the places back: a hum that nobody needs the place for is forwarded, as before.
    crowd.talkers.clear()
    crowd.run(20)
    assert all(stream >= 900 for stream in crowd.loudest.holders)


def test_many_clients_of_one_account_take_one_place_from_others():
    """Not even if their levels look like speech, and are louder."""
    alone = Crowd()
    alone.talkers = {n: Talk(n) for n in (1, 2, 3)}
    alone.run(300)
    assert alone.lost() < 0.001
    losses = {}
    for accounts in (1, 3):
        crowd = Crowd()
        lies = {900 + n: Talk(50 + n, 5) for n in range(3)}
        crowd.attackers = {n: (-1 - n % accounts, lambda now, talk=talk: talk.level()) for n, talk in lies.items()}
        crowd.talkers = {n: Talk(n) for n in (1, 2)}
        crowd.run(300)
        losses[accounts] = crowd.lost()
    assert losses[1] <= 0.01, "two talkers have the two other places"
    assert losses[3] > 0.2, "three who talk louder are three"


def test_colleagues_of_one_account_are_all_heard_while_nobody_else_needs_a_place():
    crowd = Crowd()
    crowd.attackers = {
        900 + n: (-1, lambda now, talk=talk: talk.level()) for n, talk in enumerate([Talk(1), Talk(2), Talk(3)])
    }
    crowd.run(10)
    assert set(crowd.loudest.holders) == {900, 901, 902}


def test_a_stream_that_begins_anew_is_no_talker_yet():
    crowd = Crowd(limit=1)
    crowd.talkers = {1: Talk(1)}
    crowd.run(10)
    crowd.passed.clear()
    crowd.spoken.clear()
    for n in range(60):
        crowd.attackers = {900 + n: (-1, lambda now: 0)}
        crowd.run(1)
        crowd.loudest.forget(900 + n)
    assert crowd.lost() <= 0.01


def test_the_dominant_speaker_loses_to_nobody_and_comes_back_at_once():
    contest = Contest(2)
    contest.run(1, s1=SOFT, s2=SOFT)
    contest.loudest.dominant = 1
    assert contest.run(2, s1=SOFT, s2=SOFT, s3=10) == {1, 3}
    assert contest.run(2, s1=SOFT, s2=10, s3=10) == {1, 3}
    contest.run(1, s1=SILENT, s2=10, s3=10)
    assert contest.run(FRAME, s1=SOFT, s2=10, s3=10) in ({1, 2}, {1, 3})
    alone = Contest(1)
    alone.run(1, s1=SOFT)
    alone.loudest.dominant = 1
    assert alone.run(3, s1=SOFT, s2=10) == {1}


def test_who_is_always_in_takes_no_place():
    contest = Contest(1, always=(1001, 1002))
    assert contest.run(1, s1=SILENT, s2=TALK, s3=TALK, s4=TALK) == {1, 2, 3}
    contest.loudest.configure(1, (1003,))
    assert contest.run(1, s1=SILENT, s2=SILENT, s3=SILENT, s4=TALK) == {3, 4}
    contest.loudest.configure(1, ())
    assert contest.run(1, s1=TALK, s2=SILENT, s3=SILENT, s4=TALK) == {4}


def test_fewer_places_leave_those_who_spoke_last():
    contest = Contest(3)
    contest.run(1, s1=TALK, s2=TALK, s3=TALK)
    contest.run(1, s1=SILENT, s2=TALK, s3=SILENT)
    contest.loudest.configure(1, ())
    assert contest.loudest.holders == (2,)
    contest.loudest.configure(0, ())
    assert contest.loudest.holders == ()


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 127), st.booleans(), st.integers(0, 300)), max_size=60),
)
def test_never_more_than_the_limit_and_never_two_of_a_seat(limit, packets):
    loudest = Loudest()
    loudest.configure(limit, (1003,))
    now = 1.0
    for stream, level, voice, wait_ms in packets:
        now += wait_ms / 1000
        seat = 1001 + (stream + 1) // 2
        passed = loudest.hear(stream, seat, seat, level, voice, now)
        assert passed == (seat == 1003 or stream in loudest.holders)
        assert len(loudest.holders) <= limit
        assert len({(holder + 1) // 2 for holder in loudest.holders}) == len(loudest.holders)
