"""The local selection: speakers, the dominant one, and the messages from and to other workers."""

import random

import pytest

from tcserver.media.interface import CloseSeat, CloseStream, MuteStream, SpeakersChanged
from tcserver.media.speakers.dominance import FLOOR_LEVELS, LEVELS, MIN_SCORE, Activity, dominant
from tcserver.media.speakers.local import DECISION_INTERVAL, MAX_RANKED, RANKED_FOR, LocalSelection
from tcserver.media.speakers.selection import Level, News, Ranked
from tests.support.media.world import World, audio, packet_item

SPEECH, NOISE, SILENCE = 20, 50, 127


def hear(speakers: LocalSelection, stream: int, participant: int, level: int, duration_ms: int, now: float) -> None:
    speakers.hear(stream, 1000 + participant, participant, participant, level, duration_ms, level < 60, now)


class Talk:
    """Levels of several streams every 20 ms, decisions every 300 ms."""

    def __init__(self) -> None:
        self.speakers = LocalSelection()
        self.step = 0
        self.changes: list[SpeakersChanged] = []

    def run(self, seconds: float, **levels: int | None) -> list[SpeakersChanged]:
        """Return the changes; ``p3=20`` is participant 3 at -20 dBov."""
        self.changes = []
        for _ in range(round(seconds * 50)):
            self.step += 1
            now = self.step * 0.02
            for name, level in levels.items():
                participant = int(name[1:])
                if level is not None:
                    hear(self.speakers, 100 + participant, participant, level, 20, now)
            if self.step % 15 == 0:
                changed = self.speakers.decide(1, now)
                if changed:
                    self.changes.append(changed)
        return self.changes

    @property
    def ranking(self) -> tuple[int, ...]:
        assert all(seat == 900 + stream for stream, seat in self.speakers.ranking)
        return tuple(stream for stream, _ in self.speakers.ranking)


def test_speaking_begins_and_ends():
    talk = Talk()
    assert talk.run(0.6, p1=SPEECH) == [SpeakersChanged(1, (1,), (), 1)]
    assert talk.run(2, p1=SPEECH) == []
    assert talk.run(0.9, p1=SILENCE) == [SpeakersChanged(1, (), (1,), 1)]
    assert talk.run(0.6, p1=SPEECH) == [SpeakersChanged(1, (1,), (), 1)]
    assert talk.run(0.9) == [SpeakersChanged(1, (), (1,), 1)]


@pytest.mark.parametrize(("loud_of_20", "level", "speaks"), [(8, 35, True), (7, 35, False), (20, 36, False)])
def test_threshold_and_share(loud_of_20, level, speaks):
    speakers = LocalSelection()
    for n in range(20):
        hear(speakers, 1, 9, level if n < loud_of_20 else SILENCE, 20, 10 + 0.02 * n)
    changed = speakers.decide(1, 10 + 0.02 * 19)
    assert (changed is not None and changed.started == (9,)) == speaks


def test_long_packets_count_for_their_length():
    speakers = LocalSelection()
    for n in range(3):
        hear(speakers, 1, 9, SPEECH, 60, 10 + 0.06 * n)
    changed = speakers.decide(1, 10.2)
    assert changed is not None
    assert changed.started == (9,)


def test_the_dominant_speaker_changes_when_another_takes_over_and_not_for_a_cough():
    talk = Talk()
    talk.run(3, p1=SPEECH, p2=SILENCE)
    assert talk.run(0.1, p1=SILENCE, p2=5) + talk.run(0.9, p1=SPEECH, p2=SILENCE) == []
    changes = talk.run(2, p1=SILENCE, p2=SPEECH)
    assert changes[-1].dominant == 2
    assert talk.run(3, p1=SILENCE, p2=SILENCE) == [SpeakersChanged(1, (), (2,), 2)]


@pytest.mark.parametrize("pause", [0.4, 0.6, 0.8])
def test_who_talks_at_the_same_time_waits_for_more_than_a_pause(pause):
    talk = Talk()
    talk.run(1, p1=SPEECH)
    assert talk.run(3, p1=SPEECH, p2=SPEECH, p3=SPEECH + 3) == [SpeakersChanged(1, (2, 3), (), 1)]
    for _ in range(5):
        changes = talk.run(pause, p1=SILENCE, p2=SPEECH, p3=SPEECH + 3) + talk.run(1.3, p1=SPEECH, p2=SPEECH, p3=SPEECH)
        assert {change.dominant for change in changes} <= {1}
        assert talk.ranking[0] == 101


def test_who_talks_at_the_same_time_follows_who_has_ended():
    talk = Talk()
    talk.run(1, p1=SPEECH)
    talk.run(3, p1=SPEECH, p2=SPEECH)
    assert talk.run(1.4, p1=SILENCE, p2=SPEECH)[-1].dominant == 2


def test_clicks_of_who_has_ended_do_not_make_others_wait():
    talk = Talk()
    talk.run(1, p1=SPEECH)
    talk.run(3, p1=SPEECH, p2=SPEECH)
    changes = []
    for _ in range(4):
        changes += talk.run(0.3, p1=SILENCE, p2=SPEECH) + talk.run(0.08, p1=SPEECH, p2=SPEECH)
    assert changes[-1].dominant == 2


def test_who_is_clearly_louder_does_not_wait():
    talk = Talk()
    talk.run(1, p1=SPEECH + 8)
    talk.run(3, p1=SPEECH + 8, p2=SPEECH)
    assert talk.run(0.7, p1=SILENCE, p2=SPEECH)[-1].dominant == 2


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("before", [SILENCE, SPEECH], ids=["silent before", "once said yes"])
def test_who_answers_does_not_wait(overlap, before):
    talk = Talk()
    talk.run(1, p1=SPEECH)
    talk.run(0.3, p1=SPEECH, p2=before)
    talk.run(2, p1=SPEECH, p2=SILENCE)
    talk.run(overlap, p1=SPEECH, p2=SPEECH)
    assert talk.run(0.9, p1=SILENCE, p2=SPEECH)[-1].dominant == 2


def test_a_loud_fan_does_not_make_others_wait():
    """Its level is its noise floor after some time. So it is as good as silent, whoever began first."""
    talk = Talk()
    assert talk.run(2, p1=SPEECH, p2=SILENCE)[-1].dominant == 1
    talk.run(15, p1=SPEECH, p2=SILENCE)
    assert talk.run(1.2, p1=SPEECH, p2=SPEECH)[-1].dominant == 2


def test_seeded_speech_has_few_false_switches():
    """Two minutes of one talker over a fan and a keyboard: nobody else becomes dominant."""
    noise = random.Random(7)
    talk = Talk()
    for step in range(6000):
        if step % 15 == 0:
            voiced = noise.random() < 0.75
        changes = talk.run(
            0.02,
            p1=noise.randint(15, 30) if voiced else 60,
            p2=NOISE + noise.randint(-1, 1),
            p3=25 if noise.random() < 0.02 else 70,
        )
        assert {change.dominant for change in changes} <= {0, 1}


def test_steady_noise_sinks_into_the_floor():
    """A loud fan counts at first, but no longer after the 15 s that the noise floor needs."""
    activity = Activity()
    for _ in range(FLOOR_LEVELS - 1):
        activity.hear(100)
    assert activity.scores().long > MIN_SCORE
    for _ in range(LEVELS + 1):
        activity.hear(100)
    assert activity.scores() == (MIN_SCORE, MIN_SCORE, MIN_SCORE)
    for _ in range(LEVELS):
        activity.hear(120)
    assert activity.scores().long > MIN_SCORE
    activity.hear(90)
    activity.hear(100)
    assert activity.scores().immediate > MIN_SCORE


def test_nobody_is_dominant_in_silence():
    assert dominant({}, None) is None
    assert dominant({1: Activity(), 2: Activity()}, None) is None
    assert dominant({1: Activity()}, 5) == 5


def test_the_best_of_several_challengers_wins():
    activities = {key: Activity() for key in "abc"}
    for _ in range(LEVELS):
        activities["a"].hear(110)
        activities["b"].hear(82)
    for n in range(LEVELS):
        activities["c"].hear(110 if n % 5 else 0)
    assert dominant(activities, None) in ("a", "b")
    assert dominant(activities, "c") == "c"


def decide(world: World) -> list[SpeakersChanged]:
    world.now += DECISION_INTERVAL
    world.plane.poll(world.now)
    return [event for event in world.plane.take_events() if isinstance(event, SpeakersChanged)]


def speak(world: World, stream: int, start: int) -> None:
    client = world.clients[0]
    for sequence in range(start, start + 20):
        world.now += 0.02
        world.receive(client, client.up(packet_item(audio(stream, sequence, level=SPEECH))))


@pytest.mark.parametrize(
    "end", [MuteStream(7, 1001, True), CloseStream(7, 1001), CloseSeat(1001, 1)], ids=["mute", "close", "leave"]
)
def test_a_muted_or_closed_stream_stops_speaking_at_the_next_decision(end):
    world = World(2)
    world.publish(world.clients[0], 7, to=[world.clients[1]])
    decide(world)
    speak(world, 7, 0)
    world.now -= DECISION_INTERVAL
    world.plane._next_decision = 0.0
    assert decide(world) == [SpeakersChanged(1, (1,), (), 1)]
    world.apply(end)
    assert decide(world) == [SpeakersChanged(1, (), (1,), 0)]
    assert decide(world) == []


def test_a_muted_stream_cannot_speak():
    world = World(2)
    world.publish(world.clients[0], 7, to=[world.clients[1]], muted=True)
    speak(world, 7, 0)
    assert decide(world) == []


def test_unmuting_speaks_again():
    world = World(2)
    world.publish(world.clients[0], 7, muted=True)
    world.apply(MuteStream(7, 1001, False))
    speak(world, 7, 0)
    world.plane._next_decision = 0.0
    world.now -= DECISION_INTERVAL
    assert decide(world) == [SpeakersChanged(1, (1,), (), 1)]


def test_the_next_deadline_is_that_of_a_decision():
    world = World(1)
    world.plane.poll(world.now)
    assert world.plane.next_deadline() == pytest.approx(world.now + DECISION_INTERVAL)


def test_the_holders_are_told_when_they_change_and_when_they_are_to_be_said_again():
    speakers = LocalSelection()
    speakers.configure(1, ())
    speakers.take_news()
    assert not speakers.has_news
    assert speakers.take_news() == News()
    assert speakers.hear(7, 0x101, 1, 1, SPEECH, 20, True, 10.0)
    assert speakers.has_news
    assert speakers.take_news() == News(holders=(7,))
    speakers.repeat()
    assert speakers.take_news() == News(holders=(7,), ranking=())
    speakers.take_holders(frozenset({9}))
    assert speakers.holders == (7,), "the home decides itself"


def test_levels_of_another_worker_contend():
    speakers = LocalSelection()
    speakers.configure(1, ())
    speakers.take_levels([Level(7, 0x101, 1, 1, SPEECH, 20, True)], 10.0)
    assert speakers.holders == (7,)
    speakers.take_levels([Level(7, 0, 0, 0, 0, 0)], 10.1)
    assert speakers.holders == (), "muted or over"


def test_lost_streams_are_forgotten_but_those_that_are_known():
    speakers = LocalSelection()
    speakers.configure(2, ())
    for stream in (7, 8):
        speakers.hear(stream, 0x100 + stream, stream, stream, SPEECH, 20, True, 10.0)
    speakers.forget_lost(9.0, ())
    assert speakers.holders == (7, 8)
    speakers.forget_lost(11.0, {8})
    assert speakers.holders == (8,)


def test_the_dominant_speaker_is_first_then_those_who_speak_in_the_order_in_which_they_began():
    talk = Talk()
    talk.run(3, p1=SPEECH, p2=SILENCE)
    assert talk.ranking == (101, 102)
    talk.run(3, p1=SPEECH, p2=SILENCE, p3=SPEECH)
    assert talk.ranking == (101, 103, 102)
    talk.run(RANKED_FOR + 2, p2=SILENCE, p3=SPEECH)
    assert talk.ranking == (103, 101, 102), "the first is silent"


def test_a_pause_changes_no_rank():
    talk = Talk()
    talk.run(3, p1=SPEECH, p2=SILENCE, p3=SPEECH)
    first = talk.speakers.ranking
    assert talk.ranking == (101, 103, 102)
    talk.run(RANKED_FOR - 1, p1=SPEECH, p2=SILENCE)
    assert talk.speakers.ranking is first


def test_who_speaks_softly_is_ranked_by_the_voice_flag():
    talk = Talk()
    talk.run(2, p1=SILENCE, p2=SILENCE, p3=SILENCE)
    talk.run(1, p1=SILENCE, p2=SILENCE, p3=NOISE)
    assert talk.ranking[0] == 103
    assert talk.changes == [], "it does not count as one who speaks"


def test_streams_that_are_over_are_not_ranked_and_the_ranking_is_bounded():
    talk = Talk()
    talk.run(1, **{f"p{n}": SPEECH for n in range(1, MAX_RANKED + 5)})
    assert len(talk.speakers.ranking) == MAX_RANKED
    gone, *rest = talk.ranking
    talk.speakers.forget(gone)
    talk.run(1)
    assert gone not in talk.ranking
    assert set(rest) < set(talk.ranking)


def test_further_streams_of_an_account_are_behind_the_first_ones_of_all_others_that_speak():
    speakers = LocalSelection()
    accounts = {11: 1, 12: 1, 13: 1, 21: 2, 31: 3}
    for step in range(100):
        now = 10 + step * 0.02
        for stream, account in accounts.items():
            level = SILENCE if stream == 31 else SPEECH + (stream == 21)
            speakers.hear(stream, 1000 + stream, account, stream, level, 20, level == SPEECH, now)
        if step % 15 == 14:
            speakers.decide(1, now)
    first, second, *more, last = (stream for stream, _ in speakers.ranking)
    assert {accounts[first], accounts[second]} == {1, 2}
    assert [accounts[stream] for stream in more] == [1, 1]
    assert last == 31, "who is silent is behind all that speak"


def test_the_ranking_is_told_when_it_changes():
    talk = Talk()
    talk.speakers.take_news()
    talk.run(1, p1=SPEECH)
    assert talk.speakers.take_news() == News(ranking=(Ranked(101, 1001),))
    talk.run(1, p1=SPEECH)
    assert talk.speakers.take_news() == News()
    talk.speakers.take_ranking((Ranked(102, 1002),))
    assert talk.ranking == (101,), "the home decides itself"
