"""Who may send what: sound first, then pictures from the lowest layer upwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.core.rate.allocation import (
    AGAIN,
    CAP_SHARE,
    FROM_RATE,
    LEAST_OPUS,
    LEAST_PICTURE,
    SOUND_RATES,
    Allocation,
    PictureDemand,
    PictureRate,
    SendingLimit,
    SoundDemand,
    SoundRate,
)
from tcproto.messages import Caps

VOICE = SoundRate(25_200, 20)
SOUND = SoundDemand(VOICE)
CAMERA = PictureDemand((576_000,), 25)
LAYERS = PictureDemand((100_000, 316_000, 1_000_000), 25)


def test_what_a_voice_takes_on_the_line() -> None:
    assert VOICE.cost == pytest.approx(60_400, rel=0.02)
    assert [round(rate.cost / 1000) for rate in SOUND_RATES] == [33, 24, 20]


def test_nothing_is_bound_where_nothing_is_known() -> None:
    assert Allocation().divide(None, {1: SOUND, 2: LAYERS}, 0.0) == {1: VOICE, 2: PictureRate(LAYERS.bitrates)}


@pytest.mark.parametrize(
    ("bitrate", "sound"),
    [(100e3, VOICE), (55e3, SOUND_RATES[0]), (30e3, SOUND_RATES[1]), (21e3, SOUND_RATES[2]), (5e3, SOUND_RATES[2])],
)
def test_sound_alone(bitrate: float, sound: SoundRate) -> None:
    assert Allocation().divide(bitrate, {1: SOUND}, 0.0) == {1: sound}


@pytest.mark.parametrize(
    ("bitrate", "sound", "sends"),
    [(256e3, VOICE, True), (100e3, SOUND_RATES[0], True), (70e3, SOUND_RATES[1], False), (21e3, SOUND_RATES[2], False)],
)
def test_sound_before_pictures(bitrate: float, sound: SoundRate, sends: bool) -> None:
    given = Allocation().divide(bitrate, {1: SOUND, 2: CAMERA}, 0.0)
    assert given[1] == sound
    (bits,) = given[2].bitrates if isinstance(given[2], PictureRate) else (-1,)
    assert (bits > 0) is sends
    if sends:
        assert sound.cost + CAMERA.cost(bits) == pytest.approx(bitrate, rel=0.01)


def bits_beside_voice(bitrate: float, copies: int) -> int:
    """Return the bits per second of a camera beside a voice, which is not lowered for the copies."""
    given = Allocation().divide(bitrate, {1: SOUND, 2: CAMERA}, 0.0, copies)
    assert given[1] == VOICE
    assert isinstance(given[2], PictureRate)
    return given[2].bitrates[0]


@pytest.mark.parametrize("copies", [1, 2])
def test_pictures_leave_room_for_copies_of_sound(copies: int) -> None:
    spared = CAMERA.cost(bits_beside_voice(256e3, 0)) - CAMERA.cost(bits_beside_voice(256e3, copies))
    assert spared == pytest.approx(copies * (25_200 + 3 * 8 * 50), rel=0.01)


def test_copies_of_sound_end_no_pictures() -> None:
    least = VOICE.cost + LEAST_PICTURE
    assert bits_beside_voice(least, 2) == bits_beside_voice(least, 0) > 0
    assert CAMERA.cost(bits_beside_voice(least + 10_000, 2)) == pytest.approx(LEAST_PICTURE, rel=0.01)


@pytest.mark.parametrize(
    ("bitrate", "on"),
    [(2e6, 3), (1.0e6, 2), (500e3, 2), (250e3, 1), (LEAST_PICTURE + 1, 1), (LEAST_PICTURE - 1, 0)],
)
def test_layers_go_from_the_top(bitrate: float, on: int) -> None:
    (rate,) = Allocation().divide(bitrate, {1: LAYERS}, 0.0).values()
    assert isinstance(rate, PictureRate)
    assert [bits > 0 for bits in rate.bitrates] == [i < on for i in range(3)]


def test_layers_that_nobody_wants_take_nothing() -> None:
    top = PictureDemand(LAYERS.bitrates, 25, wanted=(False, False, True))
    (rate,) = Allocation().divide(600e3, {1: top}, 0.0).values()
    assert isinstance(rate, PictureRate)
    assert rate.bitrates[:2] == (0, 0)
    assert rate.bitrates[2] > 500_000


@pytest.mark.parametrize(("bitrate", "on"), [(9_000, 0), (20_000, 1), (80_000, 2), (900_000, 3)])
def test_still_pictures_come_before_all_that_moves(bitrate: float, on: int) -> None:
    demand = PictureDemand((8_000, 100_000, 316_000), 25, stills=True)
    rate = Allocation().divide(bitrate, {1: demand}, 0.0)[1]
    assert isinstance(rate, PictureRate)
    assert sum(map(bool, rate.bitrates)) == on
    assert rate.bitrates[0] == (8_000 if on else 0)
    rate = Allocation().divide(bitrate, {1: replace(demand, wanted=(False, True, True))}, 0.0)[1]
    assert isinstance(rate, PictureRate)
    assert rate.bitrates[0] == 0


def test_the_cap_of_the_server_is_the_ceiling() -> None:
    caps = Caps(200_000, 1000)
    allocation = Allocation()
    given = allocation.divide(
        None, {1: SoundDemand(VOICE, Caps(50_000, 100)), 2: PictureDemand(LAYERS.bitrates, 25, caps)}, 0.0
    )
    assert isinstance(given[2], PictureRate)
    assert sum(given[2].bitrates) <= CAP_SHARE * caps.bitrate
    assert given[1][0] < VOICE.bitrate
    assert allocation.limit is SendingLimit.SERVER
    assert not allocation.is_short, "to try the way for more has no use"
    (least,) = Allocation().divide(None, {1: SoundDemand(VOICE, Caps(1000, 100))}, 0.0).values()
    assert least == (LEAST_OPUS, 20)


def test_what_was_given_up_comes_back_later_and_only_with_room_to_spare() -> None:
    allocation = Allocation()
    demands = {1: SOUND, 2: LAYERS}
    allocation.divide(2e6, demands, 0.0)
    assert not allocation.is_short
    assert allocation.divide(60e3, demands, 1.0) == {1: SOUND_RATES[1], 2: PictureRate((0, 0, 0))}
    assert allocation.is_short
    assert allocation.limit is SendingLimit.UPLINK
    assert allocation.divide(2e6, demands, 1.0 + AGAIN / 2) == {}
    up = allocation.divide(2e6, demands, 1.0 + AGAIN)
    assert up == {1: VOICE, 2: PictureRate(LAYERS.bitrates)}
    assert not allocation.is_short
    assert allocation.limit is None
    edge = VOICE.cost + 1
    allocation.divide(edge - 2, {1: SOUND}, 20.0)
    assert allocation.divide(edge, {1: SOUND}, 30.0) == {}, "it would be lowered again at once"


def test_small_changes_are_not_told() -> None:
    allocation = Allocation()
    allocation.divide(300e3, {1: CAMERA}, 0.0)
    assert allocation.divide(300e3 * (1 - FROM_RATE / 2), {1: CAMERA}, 0.1) == {}
    assert allocation.divide(300e3 * (1 - 3 * FROM_RATE), {1: CAMERA}, 0.2)


def test_two_cameras_share_and_what_one_leaves_is_for_the_other() -> None:
    small = PictureDemand((60_000,), 25)
    given = Allocation().divide(600e3, {1: small, 2: CAMERA}, 0.0)
    assert given[1] == PictureRate((60_000,))
    assert isinstance(given[2], PictureRate)
    assert given[2].bitrates[0] > 400_000


@given(
    st.lists(st.tuples(st.floats(0, 6e6), st.floats(0, 3)), min_size=1, max_size=30),
    st.lists(st.sampled_from([SOUND, CAMERA, LAYERS, SoundDemand(SoundRate(64_000, 20))]), max_size=4),
)
def test_no_more_is_given_than_there_is(steps: list[tuple[float, float]], wanted: list[SoundDemand]) -> None:
    demands = dict(enumerate(wanted))
    allocation, now, rates = Allocation(), 0.0, {}
    for bitrate, after in steps:
        now += after
        rates |= allocation.divide(bitrate, demands, now)
        sounds = sum(rate.cost for rate in rates.values() if isinstance(rate, SoundRate))
        pictures = sum(
            demands[number].cost(bits)
            for number, rate in rates.items()
            if isinstance(rate, PictureRate)
            for bits in rate.bitrates
            if bits
        )
        assert pictures <= max(0.0, bitrate - sounds) * (1 + 2 * FROM_RATE) + 1
