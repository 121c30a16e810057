"""What is asked of the server, by the wishes of the program and by the line."""

import pytest

from tcclient.core.downlink.arrivals import Line
from tcclient.core.downlink.bandwidth import AGREEING
from tcclient.core.downlink.data_meter import Saving
from tcclient.core.downlink.ladder import FIRST_STABLE, LOOK_INTERVAL, PROOF, STABLE, SUDDEN_QUEUE
from tcclient.core.downlink.subscription import OPENING, OPENING_TRIES, PER_PICTURE, SOUND, Wishes
from tcclient.core.timers import NEVER
from tcproto.messages import Source, StreamChoice, StreamLimit, StreamState, StreamStates, Subscribe
from tests.tcclient.core.downlink.bench import ALL, VOICES, Bench, meeting


def test_wishes_are_passed_on_whole_with_growing_generations():
    bench = Bench(Wishes((Source.MICROPHONE,), (StreamChoice(5),), 3))
    bench.redundant = True
    assert bench.subscription.again()
    assert (
        bench.told
        == bench.changed
        == [
            Subscribe(1, (Source.MICROPHONE,), (StreamChoice(5),), (), 3),
            Subscribe(2, (Source.MICROPHONE,), (StreamChoice(5),), SOUND, 3),
        ]
    )


def test_nothing_is_asked_again_before_anything_was_asked_for_or_while_the_server_is_behind():
    bench = Bench()
    bench.is_busy = True
    assert not bench.subscription.again()
    bench.subscription.asked = Subscribe(0, ())
    assert bench.subscription.again()
    assert len(bench.told) == 1


def test_nobody_looks_at_a_line_on_which_nothing_comes():
    bench = meeting()
    assert bench.subscription.next_deadline == NEVER
    bench.come(0.2, 0.0, **VOICES)
    bench.subscription.arrivals.datagram(100, 0.0, bench.now)
    assert bench.subscription.next_deadline < bench.now + LOOK_INTERVAL
    bench.now += 10
    bench.subscription.handle_timeout(bench.now)
    assert bench.subscription.next_deadline == NEVER


def test_the_line_is_looked_at_at_once_when_a_queue_begins():
    bench = meeting()
    bench.come(1.0, 0.0, **VOICES)
    subscription, arrivals = bench.subscription, bench.subscription.arrivals
    looked_at = bench.now - LOOK_INTERVAL
    for at, delay in ((0.01, 2 * SUDDEN_QUEUE), (0.02, 3 * SUDDEN_QUEUE)):
        arrivals.datagram(100, delay, looked_at + at)
        assert subscription.next_deadline == looked_at + LOOK_INTERVAL, "datagrams before it were quick"
    arrivals.datagram(100, 2 * SUDDEN_QUEUE, looked_at + 0.03)
    assert subscription.next_deadline <= looked_at + 0.03
    subscription.handle_timeout(looked_at + 0.03)
    arrivals.datagram(100, 2 * SUDDEN_QUEUE, looked_at + 0.04)
    assert subscription.next_deadline == looked_at + 0.03 + LOOK_INTERVAL, "once"


def test_a_line_without_a_queue_changes_nothing():
    bench = meeting()
    bench.come(20, 0.02, **VOICES, s21=300_000, s31=300_000, s32=300_000)
    assert len(bench.told) == 1
    assert bench.congested == []


def test_pictures_of_others_go_first_then_screens_then_the_stage():
    bench = meeting()
    bench.come(1, 0.0, **VOICES, s21=300_000, s31=300_000, s32=300_000)
    bench.come(0.5, 0.3, **VOICES, s21=250_000, s31=300_000, s32=300_000)
    assert bench.asked.choices == (StreamChoice(21, wanted=False),)
    assert bench.asked.defaults == ALL
    assert bench.subscription.given_up(bench.room.publications[2, 21]) == 0
    assert bench.subscription.given_up(bench.room.publications[3, 31]) is None
    bench.come(1.5, 0.4, **VOICES, s31=300_000, s32=150_000)
    assert bench.asked.choices == (StreamChoice(21, wanted=False), StreamChoice(32, wanted=False))
    assert bench.asked.defaults == (Source.MICROPHONE, Source.CAMERA), "all screens are given up"
    bench.come(1.5, 0.5, **VOICES, s31=50_000)
    assert bench.asked.defaults == (Source.MICROPHONE,)
    bench.come(1.5, 0.6, s20=25_000, s30=25_000)
    assert bench.asked.voices == 1
    assert bench.changed == bench.told


def test_all_comes_back_as_it_was_wished():
    choice = StreamChoice(21, redundant=True)
    bench = meeting(Wishes(ALL, (choice,), voices=4))
    bench.come(1, 0.0, **VOICES, s21=300_000)
    bench.come(0.5, 0.3, **VOICES, s21=100_000)
    assert bench.asked.choices[0] == StreamChoice(21, wanted=False)
    tries = len(bench.sent)
    assert tries <= OPENING_TRIES
    bench.come(STABLE - PROOF - 2 * LOOK_INTERVAL, 0.0, **VOICES)
    assert len(bench.sent) == tries
    bench.answers = 1_000_000
    bench.come(2 * STABLE, 0.0, **VOICES)
    assert len(bench.sent) > tries
    assert bench.asked.choices == (choice,)
    assert (bench.asked.defaults, bench.asked.voices) == (ALL, 4)


def test_an_upper_layer_goes_before_the_lower_one():
    bench = Bench()
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA, layers=3)
    bench.come(1, 0.0, s20=50_000, s21=100_000, s21_1=300_000, s21_2=900_000)
    bench.come(0.5, 0.3, s20=50_000, s21=100_000, s21_1=300_000, s21_2=150_000)
    assert bench.asked.choices == (StreamChoice(21, max_spatial=1, by_default=True),)
    bench.come(1.5, 0.4, s20=50_000, s21=100_000, s21_1=50_000)
    assert bench.asked.choices == (StreamChoice(21, max_spatial=0, by_default=True),)
    assert Source.CAMERA in bench.asked.defaults


def test_a_layer_takes_the_place_of_the_one_below_it_on_the_line():
    bench = Bench()
    bench.publish(2, 21, Source.CAMERA, layers=3)
    bench.publish(3, 31, Source.CAMERA)
    bench.dominant = 2
    bench.come(3, 0.0, s21_2=800_000, s31=150_000)
    bench.come(0.5, 0.3, s21_2=300_000, s31=50_000)
    assert StreamChoice(21, max_spatial=1, by_default=True) in bench.asked.choices, (
        "a third of 800 kbit/s fits 315, a part more does not"
    )
    bench.come(1.5, 0.0, s21_1=200_000)
    assert bench.subscription.given_up(bench.room.publications[2, 21]) == 2


def test_pictures_that_were_given_up_cost_what_they_did():
    bench = meeting()
    bench.come(3, 0.0, **VOICES, s31=600_000)
    bench.come(0.5, 0.3, **VOICES, s31=150_000)
    assert bench.subscription.given_up(bench.room.publications[3, 31]) == 0
    bench.answers = 400_000
    bench.come(2 * STABLE, 0.0, **VOICES)
    assert bench.subscription.given_up(bench.room.publications[3, 31]) == 0, "there is no room for it"


def test_copies_are_in_the_price_of_a_voice_before_they_come():
    plain, lossy = Bench(), Bench()
    lossy.redundant = True
    for bench in (plain, lossy):
        bench.publish(2, 20, Source.MICROPHONE)
        bench.publish(3, 30, Source.MICROPHONE)
        bench.publish(4, 40, Source.MICROPHONE)
        bench.come(1, 0.0, s20=54_000, s30=54_000, s40=54_000)
        bench.come(0.5, 0.11, s20=50_000, s30=50_000, s40=50_000)
    assert plain.asked.voices == 2
    assert lossy.asked.voices == 1
    assert lossy.asked.redundant_sources == SOUND, "one voice and its copies fit"


def test_copies_that_do_not_fit_are_not_asked_for():
    bench = Bench()
    bench.redundant = True
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(3, 30, Source.MICROPHONE)
    bench.come(1, 0.0, s20=54_000, s30=54_000)
    bench.come(1, 0.3, s20=30_000, s30=30_000)
    assert (bench.asked.voices, bench.asked.redundant_sources) == (1, ())


def test_with_audio_only_no_pictures_are_asked_for():
    bench = meeting(Wishes(ALL, (StreamChoice(20), StreamChoice(21)), 2, audio_only=True))
    bench.subscription.again()
    assert bench.asked == Subscribe(2, (Source.MICROPHONE,), (StreamChoice(20),), (), 2)
    assert bench.subscription.wanted(bench.room.publications[3, 31]) is None
    bench.come(0.5, 0.3, s20=25_000, s30=25_000)
    assert bench.subscription.ladder.given_up == frozenset()
    bench.subscription.wish(bench.subscription.wishes._replace(audio_only=False))
    assert bench.asked.defaults == ALL
    assert StreamChoice(21) in bench.asked.choices


def test_layers_that_the_program_does_not_want_are_no_step():
    bench = Bench(Wishes(ALL, (StreamChoice(21, max_spatial=0, by_default=True), StreamChoice(31, wanted=False))))
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA, layers=3)
    bench.publish(3, 31, Source.CAMERA)
    bench.come(1, 0.0, s20=50_000, s21=100_000)
    bench.come(0.5, 0.3, s20=50_000, s21=50_000)
    assert bench.asked.choices == (StreamChoice(21, wanted=False), StreamChoice(31, wanted=False))


@pytest.mark.parametrize(("stage", "first"), [(frozenset(), 21), (frozenset({2}), 31)])
def test_the_program_may_say_who_is_on_stage(stage, first):
    bench = meeting(Wishes((Source.MICROPHONE, Source.CAMERA), stage=stage))
    bench.come(1, 0.0, **VOICES, s21=300_000, s31=300_000)
    bench.come(0.5, 0.3, **VOICES, s21=200_000, s31=200_000)
    assert StreamChoice(first, wanted=False) in bench.asked.choices
    assert len(bench.asked.choices) == 1


@pytest.mark.parametrize(
    ("priorities", "order"),
    [({}, (21, 32, 31)), ({21: 129}, (32, 31, 21)), ({31: 1}, (31, 21, 32)), ({32: 2, 31: 1, 21: 3}, (31, 32, 21))],
)
def test_the_program_may_say_which_pictures_go_first(priorities, order):
    bench = meeting(Wishes(ALL, priorities=priorities))
    first, second, third = (f"s{stream}" for stream in order)
    bench.come(1, 0.0, **VOICES, **dict.fromkeys((first, second, third), 300_000))
    bench.come(0.5, 0.3, **VOICES, **{first: 250_000, second: 300_000, third: 300_000})
    assert bench.asked.choices == (StreamChoice(order[0], wanted=False),)
    bench.come(1.5, 0.4, **VOICES, **{second: 150_000, third: 300_000})
    assert {choice.stream for choice in bench.asked.choices} == set(order[:2])


def test_the_camera_of_another_speaker_takes_the_place():
    bench = meeting(Wishes((Source.MICROPHONE, Source.CAMERA)))
    bench.come(1, 0.0, **VOICES, s21=300_000, s31=300_000)
    bench.come(0.5, 0.3, **VOICES, s21=200_000, s31=300_000)
    bench.dominant = 2
    bench.come(1, 0.0, **VOICES, s31=300_000)
    assert bench.asked.choices == (StreamChoice(31, wanted=False),)


def test_a_new_camera_does_not_come_before_its_turn():
    bench = meeting(Wishes((Source.MICROPHONE, Source.CAMERA)))
    bench.come(1, 0.0, **VOICES, s21=300_000, s31=300_000)
    bench.come(2, 0.3, **VOICES, s21=50_000, s31=50_000)
    assert bench.asked.defaults == (Source.MICROPHONE,)
    bench.publish(4, 41, Source.CAMERA)
    bench.come(1, 0.0, **VOICES)
    assert StreamChoice(41, wanted=False) in bench.asked.choices


def test_what_cannot_be_asked_now_is_asked_later():
    bench = meeting()
    bench.is_busy = True
    bench.come(1, 0.0, **VOICES, s21=300_000)
    bench.come(0.5, 0.3, **VOICES, s21=100_000)
    assert len(bench.told) == 1
    bench.is_busy = False
    bench.come(LOOK_INTERVAL, 0.3)
    assert bench.asked.choices == (StreamChoice(21, wanted=False),)


def test_the_line_is_that_of_the_arrivals():
    bench = meeting()
    bench.come(1, 0.2, s20=50_000)
    line = bench.subscription.arrivals.line(bench.now - LOOK_INTERVAL)
    assert line.queue == 0.2
    assert bench.congested[-1] == bench.now - LOOK_INTERVAL
    assert isinstance(line, Line)


def test_data_is_saved_whatever_is_wished():
    choices = (StreamChoice(21), StreamChoice(20, redundant=True))
    bench = meeting(Wishes(ALL, choices, voices=4))
    bench.redundant = True
    bench.subscription.save(Saving.PICTURES)
    bench.come(0.1, 0.0, **VOICES)
    assert bench.asked == Subscribe(2, (Source.MICROPHONE,), choices[1:], SOUND, 4)
    assert bench.subscription.wanted(bench.room.publications[2, 21]) is None
    assert bench.subscription.wished(bench.room.publications[2, 21]) == choices[0]
    bench.subscription.save(Saving.ALL)
    bench.come(0.1, 0.0, **VOICES)
    assert bench.asked == Subscribe(3, (Source.MICROPHONE,), choices[1:], (), 1)
    bench.subscription.save(Saving.ALL)
    bench.come(0.1, 0.0, **VOICES)
    assert len(bench.told) == 3
    bench.subscription.save(Saving.NOTHING)
    bench.come(0.1, 0.0, **VOICES)
    assert bench.asked == Subscribe(4, ALL, choices, SOUND, 4)


def test_cameras_that_the_server_does_not_show_take_no_room_on_the_line():
    bench = meeting()
    bench.publish(4, 41, Source.CAMERA, layers=2)
    hidden = StreamStates((StreamState(41, StreamLimit.NOT_SELECTED), StreamState(77, StreamLimit.NONE)))
    bench.subscription.receive(hidden, bench.now)
    bench.come(1, 0.0, **VOICES, s21=300_000, s31=300_000)
    bench.come(0.5, 0.3, **VOICES, s21=50_000, s31=100_000)
    assert StreamChoice(41, wanted=False) not in bench.asked.choices
    assert bench.subscription.given_up(bench.room.publications[4, 41]) is None
    bench.subscription.receive(StreamStates((StreamState(41, StreamLimit.NONE),)), bench.now)
    bench.come(0.1, 0.0, **VOICES)
    assert StreamChoice(41, wanted=False) in bench.asked.choices, "it is not tried out before its turn"


def test_a_lowered_layer_does_not_choose_a_camera_that_was_wanted_as_all_are():
    bench = Bench()
    bench.publish(2, 21, Source.CAMERA, layers=2)
    bench.come(3, 0.0, s21_1=800_000)
    bench.come(0.5, 0.3, s21_1=300_000)
    assert bench.asked.choices == (StreamChoice(21, max_spatial=0, by_default=True),)


def test_an_offer_of_thousands_of_layers_is_not_worked_out_at_each_look(monkeypatch):
    bench = Bench()
    for participant in range(2, 502):
        bench.publish(participant, participant, Source.CAMERA, layers=4)
    bench.dominant = 2
    worked: list[float] = []
    anew = bench.subscription._offer_anew
    monkeypatch.setattr(bench.subscription, "_offer_anew", lambda *more: worked.append(bench.now) or anew(*more))
    bench.subscription.ladder.given_up = frozenset({(501, 3)})
    bench.come(2.0, 0.0, s2=50_000)
    assert 2 <= len(worked) <= 2.0 / (2_000 * PER_PICTURE) + 1
    count = len(worked)
    bench.dominant = 400
    bench.come(LOOK_INTERVAL, 0.0, s2=50_000)
    assert len(worked) == count + 1, "what has become important is known at once"
    bench.room.publications = dict(bench.room.publications)
    bench.come(LOOK_INTERVAL, 0.0, s2=50_000)
    assert len(worked) == count + 2


def test_still_pictures_stay_where_nothing_that_moves_fits():
    bench = Bench()
    for participant in (2, 3, 4):
        bench.publish(participant, 10 * participant, Source.MICROPHONE)
        bench.publish(participant, 10 * participant + 1, Source.CAMERA, layers=2, stills=True)
    bench.dominant = 2
    bench.come(1, 0.0, s20=50_000, s21_1=300_000, s31_1=300_000, s41_1=300_000)
    bench.come(1.5, 0.3, s20=50_000, s21_1=30_000, s31_1=20_000, s41_1=20_000)
    lowest = {choice.stream: choice.max_spatial for choice in bench.asked.choices if choice.wanted}
    assert lowest == {21: 0, 31: 0, 41: 0}


def test_pictures_do_not_begin_on_a_line_that_will_not_bear_them():
    bench = Bench()
    bench.answers = 256_000
    bench.publish(2, 20, Source.MICROPHONE)
    bench.come(0.5, 0.0, s20=50_000)
    assert bench.asked.defaults == (Source.MICROPHONE,), "a new picture does not come first"
    assert len(bench.sent) == AGREEING
    bench.publish(2, 21, Source.CAMERA, layers=2, height=360, width=640)
    bench.publish(3, 31, Source.CAMERA, layers=2, height=360, width=640)
    bench.come(0.1, 0.0, s20=50_000)
    assert set(bench.asked.choices) == {StreamChoice(21, max_spatial=0), StreamChoice(31, wanted=False)}
    bench.answers = 2_000_000
    bench.come(3 * FIRST_STABLE + OPENING, 0.0, s20=50_000, s21=100_000, s21_1=300_000)
    assert set(bench.asked.choices) == {StreamChoice(21), StreamChoice(31)}


def test_on_a_thin_line_a_new_picture_comes_if_it_fits_whenever_it_begins():
    bench = Bench()
    bench.answers = 600_000
    bench.publish(2, 20, Source.MICROPHONE)
    bench.come(OPENING + 1, 0.0, s20=50_000)
    bench.publish(2, 21, Source.CAMERA, layers=2, height=360, width=640)
    bench.come(0.1, 0.0)
    assert bench.asked.choices == (StreamChoice(21),)
    bench.publish(3, 31, Source.CAMERA, layers=2, height=360, width=640)
    bench.come(0.1, 0.0)
    assert bench.asked.choices == (StreamChoice(21, max_spatial=0), StreamChoice(31, max_spatial=0))


def test_a_new_picture_does_not_cost_those_that_come():
    """The line was slower once, and bears all since then."""
    bench = Bench()
    bench.answers = 1_000_000
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA, height=360, width=640)
    bench.come(OPENING + 1, 0.0, s20=50_000, s21=400_000)
    bench.come(1, 0.3, s20=50_000, s21=100_000)
    assert bench.asked.choices == (StreamChoice(21, wanted=False),)
    bench.come(2 * STABLE, 0.0, s20=50_000)
    bench.come(2 * STABLE, 0.0, s20=50_000, s21=400_000)
    bench.publish(3, 31, Source.CAMERA, height=360, width=640)
    bench.come(0.1, 0.0, s20=50_000, s21=400_000)
    assert StreamChoice(21) in bench.asked.choices


def test_on_a_thin_line_no_picture_is_chosen_in_place_of_those_that_the_server_shows():
    bench = Bench()
    bench.answers = 600_000
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA)
    hidden, shown = (StreamStates((StreamState(21, limit),)) for limit in (StreamLimit.NOT_SELECTED, StreamLimit.NONE))
    bench.subscription.receive(hidden, bench.now)
    bench.come(1, 0.0, s20=50_000)
    assert (bench.asked.defaults, bench.asked.choices) == ((Source.MICROPHONE,), ())
    bench.subscription.receive(shown, bench.now)
    bench.come(0.1, 0.0)
    assert bench.asked.choices == (StreamChoice(21),)
    bench.subscription.receive(hidden, bench.now)
    bench.come(0.1, 0.0)
    assert bench.asked.choices == ()


def test_there_is_room_for_voices_that_will_come():
    bench = Bench()
    bench.answers = 300_000
    for participant in (2, 3, 4, 5):
        bench.publish(participant, 10 * participant, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA, height=180, width=320)
    bench.come(0.5, 0.0, s20=50_000)
    assert bench.asked.choices == (StreamChoice(21, wanted=False),)


def test_a_picture_that_has_just_begun_takes_more_than_what_came_of_it():
    bench = Bench()
    bench.answers = 256_000
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA, layers=2, height=360, width=640)
    bench.publish(3, 31, Source.CAMERA, layers=2, height=360, width=640)
    bench.come(0.1, 0.0, s20=50_000, s21_1=20_000, s31_1=20_000)
    bench.come(0.1, 0.0, s20=50_000, s21=20_000, s31=20_000)
    assert set(bench.asked.choices) == {StreamChoice(21, max_spatial=0), StreamChoice(31, wanted=False)}


def test_where_a_full_queue_loses_most_all_that_was_sent_counts():
    bench = meeting()
    bench.come(0.1, 0.0, **VOICES)
    for _ in range(20):
        bench.come(LOOK_INTERVAL, 0.9, s20=5_000, s30=5_000, s21=50_000, s31=50_000, s32=50_000)
        for stream, lost in ((20, 45_000), (30, 45_000), (21, 450_000), (31, 450_000), (32, 450_000)):
            bench.subscription.arrivals.lost((stream, 0), round(lost * LOOK_INTERVAL / 8))
    assert len(bench.told) == 2, "one step"
    assert {choice.stream for choice in bench.asked.choices if not choice.wanted} == {21, 31, 32}


@pytest.mark.parametrize("answers", [0, 4_000_000])
def test_pictures_begin_where_the_line_bears_them_or_nobody_knows(answers):
    bench = meeting()
    bench.answers = answers
    bench.come(OPENING + 1, 0.0, **VOICES)
    assert len(bench.told) == 1
    assert len(bench.sent) == (AGREEING if answers else OPENING_TRIES)
    assert bench.subscription.next_deadline > bench.now - 2 * LOOK_INTERVAL


@pytest.mark.parametrize(("line", "voices"), [(30_000, 1), (128_000, 1), (160_000, 2), (256_000, 0)])
def test_a_meeting_begins_with_as_many_voices_as_the_line_bears(line, voices):
    """Before anybody speaks, or the queue of all of them would be heard for long."""
    bench = Bench(Wishes((Source.MICROPHONE,)))
    for participant in (2, 3, 4):
        bench.publish(participant, 10 * participant, Source.MICROPHONE)
    bench.answers = line
    bench.come(0.5, 0.0, s20=2_000)
    assert (bench.asked.voices, bench.subscription.ladder.voices) == (voices, voices)
    assert bench.subscription.ladder.has_stepped is False


def test_nothing_is_expected_any_more_once_a_queue_has_told():
    bench = meeting()
    bench.come(0.5, 0.3, **VOICES, s31=300_000)
    bench.come(0.5, 0.5, **VOICES, s31=300_000)
    asked = len(bench.told)
    assert bench.subscription.ladder.has_stepped
    bench.answers = 100_000
    bench.come(1.0, 0.0, **VOICES)
    assert len(bench.told) == asked
