"""What is given up on a thin line, and when more is tried again."""

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from tcclient.core.downlink.arrivals import Line
from tcclient.core.downlink.ladder import (
    FIRST_STABLE,
    HOLD,
    LOOK_INTERVAL,
    MAX_STABLE,
    QUEUE,
    STABLE,
    TRIAL,
    UNPROVEN,
    Ladder,
    Offer,
    Part,
)
from tcproto.messages.types import MAX_VOICES

STAGE, SCREEN, SMALL = (1, 0), (2, 0), (3, 0)
VOICE, LOW = 50_000.0, 20_000.0


@dataclass
class Bench:
    """A ladder on a line of a rate, with a queue that fills and drains."""

    capacity: float
    voices: int = 1
    pictures: tuple[tuple[tuple[int, int], float], ...] = ()
    ladder: Ladder = field(default_factory=Ladder)
    now: float = 100.0
    queue: float = 0.0
    least: float = 0.0
    """Seconds of delay that nothing changes."""
    peak: float = 0.0
    probes: bool = True
    """Whether they are answered."""
    loss: float = 0.0
    changes: list[float] = field(default_factory=list)
    has_low_rate: bool = False
    """Whether the voices have a low rate."""

    @property
    def voice(self) -> float:
        return LOW if self.ladder.low_rate else VOICE

    def offer(self) -> Offer:
        talking = min(self.voices, self.ladder.voices or self.voices)
        pictures = tuple(Part(*picture) for picture in self.pictures)
        return Offer((self.voice,) * talking, self.voices, pictures, (VOICE - LOW) * self.has_low_rate)

    @property
    def load(self) -> float:
        kept = sum(rate for layer, rate in self.pictures if layer not in self.ladder.given_up)
        return self.voice * min(self.voices, self.ladder.voices or self.voices) + kept

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / LOOK_INTERVAL)):
            self.queue = max(0.0, self.queue + (self.load / self.capacity - 1) * LOOK_INTERVAL)
            self.peak = max(self.peak, self.queue)
            comes = self.capacity if self.queue else min(self.load, self.capacity)
            proven = self.capacity if self.probes and self.ladder.wants_proof(self.now) else None
            line = Line(comes, self.queue + self.least, proven, usual=comes, loss=self.loss)
            if self.ladder.look(line, self.offer, self.now):
                self.changes.append(self.now)
            self.now += LOOK_INTERVAL


def test_a_line_that_bears_all_loses_nothing():
    bench = Bench(1e6, 3, ((STAGE, 500_000), (SMALL, 200_000)))
    bench.run(60)
    assert not bench.ladder.is_limiting
    assert bench.changes == []


def test_pictures_go_before_voices_the_least_important_first():
    bench = Bench(600_000, 3, ((STAGE, 300_000), (SCREEN, 200_000), (SMALL, 100_000)))
    bench.run(5)
    assert bench.ladder.given_up == {SCREEN, SMALL}
    assert bench.ladder.voices == 0


def test_no_voice_is_given_up_for_a_picture():
    bench = Bench(110_000, 3, ((STAGE, 20_000),))
    bench.run(8)
    assert bench.ladder.given_up == {STAGE}
    assert bench.ladder.voices == 1


def test_still_pictures_stay_beside_the_voices_that_fit():
    bench = Bench(135_000, 3, ((STAGE, 8_000), (SMALL, 8_000), (SCREEN, 20_000)))
    bench.run(8)
    assert bench.ladder.given_up == {SCREEN}
    assert bench.ladder.voices == 2
    assert bench.load <= bench.capacity


def test_what_will_not_fit_is_given_up_beforehand_and_a_keyframe_of_it_costs_no_voice():
    bench = Bench(256_000, 3, ((STAGE, 300_000), (SMALL, 8_000)))
    every = frozenset((STAGE, SMALL))
    assert bench.ladder.begin(every, bench.offer, bench.capacity, bench.now)
    assert bench.ladder.given_up == {STAGE}
    bench.queue = 0.28  # the keyframe had been sent before
    bench.run(FIRST_STABLE)
    assert bench.changes == []
    assert not bench.ladder.has_stepped
    bench.capacity = 1e6
    bench.run(FIRST_STABLE)
    assert not bench.ladder.is_limiting


def test_nothing_is_given_up_beforehand_where_all_will_fit():
    bench = Bench(1e6, 3, ((STAGE, 300_000),))
    assert not bench.ladder.begin(frozenset((STAGE,)), bench.offer, bench.capacity, bench.now)
    assert not bench.ladder.is_limiting


def test_steps_down_are_soon_enough_for_the_jitter_buffer():
    bench = Bench(256_000, 3, ((STAGE, 300_000),))
    bench.run(6)
    assert bench.ladder.given_up == {STAGE}
    assert bench.peak < 0.5
    assert bench.queue < QUEUE


def test_one_voice_is_never_given_up():
    bench = Bench(20_000, 3)
    bench.run(60)
    assert bench.ladder.voices == 1


def test_a_burst_that_drains_gives_nothing_up():
    bench = Bench(1e6, 2, ((STAGE, 600_000),))
    for _ in range(10):
        bench.queue += 0.3  # a keyframe
        bench.run(3)
    assert bench.changes == []


def test_more_is_tried_one_by_one_when_the_line_is_steady():
    bench = Bench(100_000, 4, ((STAGE, 300_000), (SMALL, 100_000)))
    bench.run(6)
    assert bench.ladder.voices == 1
    bench.capacity = 1e6
    bench.changes.clear()
    bench.run(80)
    assert not bench.ladder.is_limiting
    steps = [b - a for a, b in pairwise(bench.changes)]
    assert min(steps) >= STABLE - LOOK_INTERVAL
    assert len(bench.changes) == 5, "voices 2, 3 and all, two pictures"


def test_a_step_up_that_the_line_does_not_bear_is_not_tried():
    bench = Bench(256_000, 3, ((STAGE, 300_000),))
    bench.run(300)
    assert len(bench.changes) == 1


def test_what_has_just_begun_counts_in_full_before_more_is_tried():
    """The usual rate is that of the last seconds, and the end of a pause is in it."""
    ladder = Ladder()
    parts = (Part(STAGE, 560_000), Part(SMALL, 200_000))
    ladder.begin(frozenset((STAGE, SMALL)), lambda: Offer((VOICE,), 1, parts), 900_000, 100.0)
    assert ladder.given_up == {SMALL}
    line = Line(560_000, 0.0, 900_000, usual=300_000)
    looks = [100.0 + n * LOOK_INTERVAL for n in range(round(2 * FIRST_STABLE / LOOK_INTERVAL))]
    assert not any(ladder.look(line, lambda: Offer((2 * VOICE,), 1, parts), now) for now in looks)
    assert ladder.look(line, lambda: Offer((VOICE / 2,), 1, parts), looks[-1] + LOOK_INTERVAL), "now it fits"


def test_where_much_is_lost_pictures_leave_as_much_free_before_more_is_tried():
    """What is lost comes again, some of it twice, and waits in the queue. A voice is not kept away for that."""
    shown = {}
    for loss in (0.0, 0.2):
        bench = Bench(100_000, 2, ((STAGE, 300_000), (SMALL, 100_000)), loss=loss)
        bench.run(5)
        bench.capacity = 600_000
        bench.run(60)
        shown[loss] = bench.ladder.voices, bench.ladder.given_up
    assert shown == {0.0: (0, frozenset()), 0.2: (0, {SMALL})}


def test_more_is_tried_later_where_a_layer_that_is_kept_may_come_again():
    """The next lower one comes in its place, and leaves room that is not there for long; or for ever, so that the wait
    has an end."""
    ladder, large = Ladder(), (STAGE[0], 1)
    parts = (Part(STAGE, 100_000), Part(large, 300_000), Part(SMALL, 100_000))
    ladder.begin(frozenset((STAGE, large, SMALL)), lambda: Offer((VOICE,), 1, parts), 600_000, 100.0)
    assert ladder.given_up == {SMALL}
    parts = (Part(STAGE, 100_000), Part(large, 0.0), Part(SMALL, 100_000))
    again = (Part(STAGE, 100_000), Part(large, 50_000), Part(SMALL, 100_000))
    line = Line(150_000, 0.0, 600_000, usual=150_000)
    looks = [100.0 + n * LOOK_INTERVAL for n in range(round(2 * STABLE / LOOK_INTERVAL) - 1)]
    offers = [Offer((VOICE,), 1, parts if now < 100.0 + STABLE - 1 else again) for now in looks]
    tried = [now for now, each in zip(looks, offers, strict=True) if ladder.look(line, lambda each=each: each, now)]
    assert len(tried) == 1
    assert STABLE <= tried[0] - 100.0 < STABLE + 1, "not at once when it has come again"


def test_without_proof_a_step_up_is_tried_much_later():
    bench = Bench(256_000, 3, ((STAGE, 300_000),), probes=False)
    bench.run(5)
    bench.capacity = 1e6
    bench.run(UNPROVEN + 5)
    assert not bench.ladder.is_limiting
    assert bench.changes[1] - bench.changes[0] >= UNPROVEN


def test_a_step_up_that_fails_is_taken_back_and_waits_longer_each_time():
    bench = Bench(256_000, 3, ((STAGE, 300_000),), probes=False)
    bench.run(1000)
    ups = bench.changes[1::2]
    backs = bench.changes[2::2]
    assert all(back - up < 1 for up, back in zip(ups, backs, strict=False))
    waits = [later - earlier for earlier, later in zip(backs, ups[1:], strict=False)]
    assert all(later >= earlier for earlier, later in pairwise(waits))
    assert waits[0] >= UNPROVEN
    assert MAX_STABLE <= waits[-1] < MAX_STABLE + 5
    assert bench.ladder.voices == 0


def test_a_queue_long_after_a_step_up_is_not_its_fault():
    bench = Bench(100_000, 1, ((STAGE, 300_000),))
    bench.run(5)
    bench.capacity = 500_000
    bench.run(STABLE + TRIAL + 10)
    assert not bench.ladder.is_limiting
    bench.capacity = 100_000
    bench.run(5)
    bench.capacity = 500_000
    bench.changes.clear()
    fell = bench.now
    bench.run(STABLE + 5)
    assert bench.changes[0] - fell < STABLE + 2


def test_a_line_that_carries_less_at_once_is_not_waited_for():
    pictures = (Part(STAGE, 600_000),)

    def look(line):
        return Ladder().look(line, lambda: Offer((VOICE,), 1, pictures), 100.0)

    line = Line(250_000, 0.0, fresh=0.05, pace=250_000, usual=650_000)
    assert look(line)
    assert not look(line._replace(bitrate=600_000)), "a keyframe or a stall, which comes fast"
    assert not look(line._replace(pace=600_000)), "the beginning of what a stall has held up"
    assert not look(line._replace(jitter=0.04)), "the line always does that"
    assert not look(line._replace(fresh=0.0)), "less was sent"


def test_no_voice_is_given_up_before_a_queue_stands():
    late = Line(20_000, 0.06, fresh=0.06, pace=20_000, usual=100_000)
    for pictures in ((), (Part(STAGE, 20_000),)):
        ladder, offered = Ladder(), Offer((VOICE,) * 2, 2, pictures)
        for look in range(round(HOLD / LOOK_INTERVAL)):
            ladder.look(late, partial(Offer, *offered), 100.0 + look * LOOK_INTERVAL)
            assert ladder.voices == 0
            assert bool(ladder.given_up) == bool(pictures)
    bench = Bench(VOICE, 2)
    bench.run(HOLD + QUEUE + 2 * LOOK_INTERVAL)
    assert bench.ladder.voices == 1, "one that stands"


def test_right_after_a_step_the_usual_rate_says_nothing():
    ladder = Ladder()
    offered = Offer((VOICE,), 1, (Part(STAGE, 600_000), Part(SMALL, 100_000)))
    assert ladder.look(Line(300_000, 0.0, fresh=0.05, pace=300_000, usual=750_000), lambda: offered, 100.0)
    assert not ladder.look(Line(150_000, 0.0, fresh=0.05, pace=150_000, usual=500_000), lambda: offered, 102.0)
    assert ladder.look(Line(80_000, 0.0, fresh=0.05, pace=80_000, usual=150_000), lambda: offered, 110.0)


def test_voices_leave_room_for_a_queue_to_drain():
    few, many = Ladder(), Ladder()
    offered = Offer((VOICE,) * 3, 3, ())
    for ladder, queue in ((few, 0.4), (many, 0.12)):
        for n in range(20):
            ladder.look(Line(130_000, queue, usual=130_000), lambda: offered, 100.0 + n * LOOK_INTERVAL)
    assert (few.voices, many.voices) == (1, 2)


def test_a_way_that_has_become_longer_costs_no_picture_for_long():
    bench = Bench(1e6, 2, ((STAGE, 600_000), (SMALL, 100_000)))
    bench.run(5)
    bench.least = 0.25
    bench.run(40)
    assert not bench.ladder.is_limiting
    bench.least = 0.0
    bench.run(5)
    bench.least = 0.25
    bench.run(2)
    assert bench.ladder.is_limiting, "it is looked at anew"


def offer(*pictures):
    return Offer((VOICE,), 1, tuple(Part((stream, 0), rate) for stream, rate in pictures))


def test_new_pictures_wait_for_their_turn():
    ladder = Ladder()
    assert not ladder.follow(offer((1, 100), (2, 100)), offer((1, 100)))
    ladder.given_up = frozenset({(2, 0)})
    assert ladder.follow(offer((1, 100), (2, 100), (3, 100)), offer((1, 100), (2, 100)))
    assert ladder.given_up == {(2, 0), (3, 0)}


def test_pictures_that_have_ended_are_forgotten():
    ladder = Ladder()
    ladder.given_up = frozenset({(2, 0)})
    assert not ladder.follow(offer((1, 100)), offer((1, 100), (2, 100)))
    assert ladder.given_up == frozenset()


def test_what_became_important_takes_the_place_of_another():
    ladder = Ladder()
    ladder.given_up = frozenset({(2, 0)})
    before = offer((1, 100), (2, 100))
    assert ladder.follow(offer((2, 100), (1, 100)), before)
    assert ladder.given_up == {(1, 0)}
    assert not ladder.follow(offer((2, 100), (1, 100)), offer((2, 100), (1, 100)))


def test_pictures_that_take_more_than_before_are_kept():
    ladder = Ladder()
    ladder.given_up = frozenset({(2, 0)})
    assert not ladder.follow(offer((1, 150), (2, 900)), offer((1, 100), (2, 900)))
    assert ladder.given_up == {(2, 0)}
    ladder.given_up = frozenset({(3, 0)})
    rounded = offer((1, 0.1), (2, 0.3), (3, 900))
    assert not ladder.follow(rounded, rounded)


def test_pictures_that_vary_change_nothing():
    """While a layer takes the place of the one below it, both come, and the step between them looks small."""
    ladder = Ladder()
    ladder.given_up = frozenset({(1, 1), (2, 0)})
    layers = [Part((1, 0), 400), Part((1, 1), 50), Part((2, 0), 100)]
    before = [Part((1, 0), 100), Part((1, 1), 300), Part((2, 0), 100)]
    assert not ladder.follow(Offer((), 0, tuple(layers)), Offer((), 0, tuple(before)))
    assert ladder.given_up == {(1, 1), (2, 0)}


def test_it_takes_no_more_of_the_line_than_there_was():
    ladder = Ladder()
    ladder.given_up = frozenset({(2, 0)})
    assert not ladder.follow(offer((2, 900), (1, 100)), offer((1, 100), (2, 900)))
    assert ladder.given_up == {(2, 0)}


def test_a_layer_goes_with_the_one_below_it():
    layers = (((1, 0), 100_000), ((1, 1), 300_000), ((2, 0), 50_000), ((1, 2), 20_000))
    bench = Bench(320_000, 1, layers)
    bench.run(5)
    assert bench.ladder.given_up == {(1, 1), (1, 2)}


def test_no_more_voices_are_asked_for_at_a_time_than_can_be():
    """So many who talk at once are a trick, or applause."""
    bench = Bench(capacity=24 * VOICE, voices=30)
    bench.run(6)
    assert bench.ladder.voices == MAX_VOICES
    bench.capacity = 35 * VOICE
    bench.run(2 * UNPROVEN)
    assert bench.ladder.voices == 0, "all, in one step"


def test_a_line_that_does_not_bear_a_voice_has_the_dominant_one_at_its_low_rate():
    bench = Bench(28_000, 3, ((STAGE, 300_000),), has_low_rate=True)
    bench.run(60)
    assert bench.ladder.given_up == {STAGE}
    assert (bench.ladder.voices, bench.ladder.low_rate) == (1, True)
    assert bench.queue < QUEUE
    assert len(bench.changes) <= 4, "it stays so"


def test_voices_begin_as_they_fit_and_more_come_where_the_line_bears_them_after_all():
    thin, wide = Bench(110_000, 3), Bench(1e6, 3)
    for bench in (thin, wide):
        bench.ladder.begin_voices(2, 110_000, bench.now)
        bench.run(STABLE - 1)
        assert (bench.ladder.voices, bench.peak) == (2, 0.0)
    thin.run(60)
    wide.run(STABLE)
    assert (thin.ladder.voices, thin.peak) == (2, 0.0)
    assert not wide.ladder.is_limiting


def test_voices_that_have_no_low_rate_are_left_as_they_are():
    bench = Bench(28_000, 1)
    bench.run(60)
    assert not bench.ladder.is_limiting


def test_on_a_line_that_bears_one_voice_others_are_left_out_before_the_rate_is_lowered():
    bench = Bench(64_000, 3, has_low_rate=True)
    bench.run(60)
    assert (bench.ladder.voices, bench.ladder.low_rate) == (1, False)


def test_the_usual_rate_comes_back_first_and_only_where_the_line_is_shown_to_bear_it():
    bench = Bench(28_000, 3, has_low_rate=True)
    bench.run(60)
    bench.changes.clear()
    bench.run(120)
    assert bench.changes == [], "probes show that it would not fit"
    bench.capacity = 1e6
    bench.run(STABLE / 2)
    assert (bench.ladder.voices, bench.ladder.low_rate) == (1, False)
    bench.run(60)
    assert not bench.ladder.is_limiting


def test_the_usual_rate_is_taken_back_where_the_line_does_not_bear_it_after_all():
    bench = Bench(28_000, 1, has_low_rate=True, probes=False)
    bench.run(10)
    assert bench.ladder.low_rate
    bench.changes.clear()
    bench.run(UNPROVEN + 5)
    assert len(bench.changes) == 2
    assert bench.ladder.low_rate
    assert bench.changes[1] - bench.changes[0] < 1


def test_a_stall_of_a_line_that_bears_the_voice_does_not_lower_its_rate():
    bench = Bench(100_000, 1, has_low_rate=True)
    for _ in range(10):
        bench.queue += 0.25
        bench.run(3)
    assert bench.changes == []
