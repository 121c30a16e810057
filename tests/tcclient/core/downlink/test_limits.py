"""Why less of a track comes than there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcclient.core.downlink.cause import UNLIMITED, Cause, Limit
from tcclient.core.downlink.data_meter import Saving
from tcclient.core.downlink.limits import PATIENCE, TrackLimits
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.membership.roster import MAX_PUBLICATIONS
from tcproto.messages import Source, StreamChoice, StreamLimit, StreamState, StreamStates
from tests.tcclient.core.downlink.bench import ALL, VOICES, meeting


class Look:
    """A meeting, and what is found of its tracks."""

    def __init__(self, wishes: Wishes | None = None) -> None:
        self.bench = meeting(wishes or Wishes(ALL))
        self.shown: dict[int, int] = {}
        """Layers that are shown of streams of which another one is wanted."""
        self.speakers: set[int] = set()
        self.has_large_path = True
        self.limits = TrackLimits(
            self.bench.room,  # type: ignore[arg-type]
            self.bench.subscription,
            self,  # type: ignore[arg-type]
            lambda: self.speakers,
            lambda: self.has_large_path,
        )

    def lacking(self, stream: int) -> int | None:
        return self.shown.get(stream)

    def changes(self, seconds: float = 1.0, queue: float = 0.0, **bitrates: int) -> dict[int, Limit]:
        """Let streams come for a while, and look each second; return what changed, by stream."""
        changed = {}
        for _ in range(round(seconds)):
            self.bench.come(1.0, queue, **bitrates)
            assert self.limits.next_deadline <= self.bench.now + 1e-6
            changed |= {info.stream: limit for info, limit in self.limits.changes(self.bench.now)}
        return changed

    def say(self, stream: int, limit: StreamLimit) -> None:
        self.bench.subscription.receive(StreamStates((StreamState(stream, limit),)), self.bench.now)

    def alter(self, participant: int, number: int, **more: object) -> None:
        publications = self.bench.room.publications
        publications[participant, number] = replace(publications[participant, number], **more)


PICTURES = {"s21": 300_000, "s31": 300_000, "s32": 300_000}
WITHOUT_21 = {**VOICES, "s31": 300_000, "s32": 300_000}


def test_nothing_is_told_where_all_comes():
    assert Look().changes(10, **VOICES, **PICTURES) == {}


@pytest.mark.parametrize(("held", "cause"), [(True, Cause.HELD), (False, Cause.MUTED)])
def test_what_is_muted_is_told_when_it_stops_and_when_it_comes_again(held, cause):
    look = Look()
    look.changes(2, **VOICES, **PICTURES)
    look.alter(2, 21, muted=True, held=held)
    assert look.changes(2, **WITHOUT_21) == {21: Limit(cause)}
    look.alter(2, 21, muted=False, held=False)
    assert look.changes(2, **VOICES, **PICTURES) == {21: UNLIMITED}


def test_what_has_just_begun_and_was_never_to_come_is_not_told():
    look = Look(Wishes((Source.MICROPHONE,)))
    look.alter(2, 20, muted=True)
    assert look.changes(3, s30=50_000) == {}
    look.bench.subscription.wish(Wishes(ALL))
    look.bench.subscription.wish(Wishes((Source.MICROPHONE,)))
    assert look.changes(3, s30=50_000) == {}


def test_what_the_program_does_not_want_any_more_is_told():
    look = Look()
    look.changes(2, **VOICES, **PICTURES)
    look.bench.subscription.wish(Wishes(ALL, (StreamChoice(32, wanted=False),)))
    assert look.changes(1, **VOICES, **PICTURES) == {32: Limit(Cause.UNSUBSCRIBED)}


def test_a_camera_that_the_server_does_not_show_is_told_unless_it_was_chosen():
    look = Look()
    look.say(21, StreamLimit.NOT_SELECTED)
    assert look.changes(1, **WITHOUT_21) == {21: Limit(Cause.NOT_SELECTED)}
    look.say(21, StreamLimit.NONE)
    assert look.changes(1, **VOICES, **PICTURES) == {21: UNLIMITED}
    look.say(21, StreamLimit.NOT_SELECTED)
    look.bench.subscription.ended(21)
    assert look.changes(1, **VOICES, **PICTURES) == {}
    look.say(21, StreamLimit.NOT_SELECTED)
    look.bench.subscription.wish(Wishes(ALL, (StreamChoice(21),)))
    assert look.changes(1, **VOICES, **PICTURES) == {}


def test_no_more_states_are_kept_than_a_room_has_publications():
    look = Look()
    for stream in (21, *range(100, 98 + MAX_PUBLICATIONS), 31, 32):
        look.say(stream, StreamLimit.NOT_SELECTED)
    assert look.changes(1, **VOICES, s21=300_000) == {31: Limit(Cause.NOT_SELECTED), 32: Limit(Cause.NOT_SELECTED)}


def test_what_the_line_cannot_bear_is_told_with_the_layer_that_is_left():
    look = Look()
    look.alter(3, 31, layers=2)
    look.changes(3, **VOICES, s21=300_000, s31_1=300_000)
    assert look.changes(1, 0.3, **VOICES, s21=50_000, s31_1=100_000) == {
        21: Limit(Cause.BANDWIDTH),
        31: Limit(Cause.BANDWIDTH, 0),
    }
    assert look.changes(3, 0.0, **VOICES, s31=90_000) == {}


def test_pictures_that_do_not_come_are_told_after_a_while():
    look = Look()
    assert look.changes(PATIENCE - 1, **WITHOUT_21) == {}
    assert look.changes(3, **WITHOUT_21) == {21: Limit(Cause.PUBLISHER)}
    assert look.changes(PATIENCE, **VOICES, s31=300_000) == {}, "the screen stands still"
    look.has_large_path = False
    assert look.changes(1, **VOICES, s31=300_000) == {21: Limit(Cause.NO_PATH), 32: Limit(Cause.NO_PATH)}
    assert look.changes(1, **VOICES, **PICTURES) == {21: UNLIMITED, 32: UNLIMITED}
    look.shown[21] = 1
    assert look.changes(1, **VOICES, **PICTURES) == {21: Limit(Cause.PUBLISHER, 1)}


def test_the_cap_of_the_data_stops_pictures_and_then_all_voices_but_one():
    look = Look()
    look.changes(1, **VOICES, **PICTURES)
    look.bench.subscription.save(Saving.PICTURES)
    cap = Limit(Cause.DATA_CAP)
    assert look.changes(1, **VOICES) == {21: cap, 31: cap, 32: cap}
    look.bench.subscription.save(Saving.ALL)
    look.speakers = {2, 3}
    assert look.changes(4, s30=50_000) == {20: cap}
    look.speakers = {3}
    assert look.changes(4, s30=50_000) == {}, "nothing has changed for it"
    look.bench.subscription.save(Saving.NOTHING)
    assert look.changes(2, s30=50_000)[20] == UNLIMITED


@pytest.mark.parametrize(("voices", "cause"), [(1, Cause.NOT_SELECTED), (0, Cause.NOT_SELECTED)])
def test_who_speaks_and_is_not_heard_beside_others_was_not_selected(voices, cause):
    look = Look(Wishes(ALL, voices=voices))
    look.speakers = {2, 3}
    look.changes(1, **VOICES, **PICTURES)
    assert look.changes(4, s30=50_000, **PICTURES) == {20: Limit(cause)}
    look.speakers = {3}
    assert look.changes(4, s30=50_000, **PICTURES) == {}, "nothing of it came"
    assert look.changes(1, **VOICES, **PICTURES) == {20: UNLIMITED}


def test_where_nobody_is_heard_no_voice_was_left_out():
    look = Look(Wishes((Source.MICROPHONE,)))
    look.speakers = {2, 3}
    look.changes(1, **VOICES)
    assert look.changes(8) == {}


def test_a_voice_that_the_line_cannot_bear_is_told():
    look = Look(Wishes((Source.MICROPHONE,)))
    look.speakers = {2, 3}
    look.changes(2, **VOICES)
    look.changes(1, 0.3, s20=25_000, s30=25_000)
    assert look.bench.subscription.ladder.voices == 1
    assert look.changes(4, s30=50_000) == {20: Limit(Cause.BANDWIDTH)}


def test_our_own_tracks_are_not_looked_at():
    look = Look()
    look.bench.room.publications.clear()
    look.bench.publish(1, 11, Source.CAMERA, muted=True)
    assert look.changes(9) == {}


def test_a_voice_at_its_low_rate_is_told_as_lowered_also_while_it_is_silent():
    look = Look(Wishes((Source.MICROPHONE,)))
    look.bench.publish(2, 22, Source.MICROPHONE_LOW)
    look.speakers = {2}
    look.changes(2, s20=54_000)
    assert look.changes(1, 0.3, s20=28_000) == {}, "it still comes as it was"
    assert look.changes(3, s22=22_000) == {20: Limit(Cause.BANDWIDTH, 0)}
    look.speakers = set()
    assert look.changes(3, s30=50_000) == {}
    look.bench.subscription.ladder.low_rate = False
    assert look.changes(2, s20=54_000) == {20: UNLIMITED}
