"""The loudest of many open microphones, with real speech: few streams out, and no word that begins in the middle."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.conversation import (
    FRAME,
    FRAME_SECONDS,
    RECORDINGS,
    Samples,
    Word,
    frames,
    microphone,
    recording,
    sentences,
    shifted,
    voices,
    words,
)
from benchmarks.harness.open_microphones import OpenMicrophones
from tcclient.audio.decoder import SpeakerDecoder
from tcclient.audio.frame import FrameKind
from tcclient.audio.opus import SAMPLE_RATE, OpusEncoder
from tcclient.capture import SPEECH
from tcserver.media.speakers.preroll import PREROLL
from tests.support.packets import sound_packet
from tests.support.simulation.world import World as VirtualWorld

ROOM_NOISE = -60.0
PATHS = [SPEECH, RECORDINGS / "speech-en.wav", RECORDINGS / "speech-en-2.wav"]


def load(path: Path) -> Samples:
    if not path.exists():
        pytest.skip(f"{path.name} is not next to the checkout")
    return recording(path)


def check(room: OpenMicrophones) -> None:
    """Check what holds for any speech."""
    for number, heard in room.heard.items():
        assert room.numbers[number] == list(range(len(heard))), "forward numbers have no gaps"
        for delay, held_ms in heard.values():
            assert delay <= PREROLL + 1e-6
            assert held_ms == round(delay * 1000), "a receiver can take the wait out of the jitter"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_words_of_turns_are_heard_from_their_first_syllable_in_a_full_mesh(path: Path) -> None:
    """35 open microphones. Words go round, so that each turn takes a place from a speaker that has become silent."""
    rng = random.Random(3)
    speech = load(path)
    meeting = OpenMicrophones(35, 3)
    count, seconds = 34, 12.0
    turns: dict[int, list[tuple[float, Samples]]] = defaultdict(list)
    spoken: list[tuple[int, Word]] = []
    start, order = 0.5, rng.sample(range(count), count)
    for turn, word in enumerate((words(speech) * 40)[:40]):
        length = min(word.stop - word.start, 30)
        if start + length * FRAME_SECONDS > seconds:
            break
        part = speech[word.start * FRAME : (word.start + length) * FRAME]
        turns[order[turn % count]].append((start, part))
        spoken.append((order[turn % count], shifted(words(part), round(start / FRAME_SECONDS))[0]))
        start += length * FRAME_SECONDS * rng.uniform(0.7, 1.1)
    quiet = voices(microphone(seconds, [], ROOM_NOISE, rng))
    microphones = {
        number: voices(microphone(seconds, turns[number], ROOM_NOISE, rng)) if number in turns else quiet
        for number in range(count)
    }
    meeting.run(microphones)
    check(meeting)
    assert len(spoken) >= 18
    assert [word for number, word in spoken if meeting.clipped_ms(number, word) > 20] == []
    assert meeting.sent <= 3.3 * 34 * 50 * seconds, "as many as three voices make, and what was held"
    everything = count * 34 * 50 * seconds
    print(f"{path.stem}: {len(spoken)} turns, {meeting.sent / everything:.1%} of the datagrams of a full mesh")
    print("worst clip", max(meeting.clipped_ms(n, w) for n, w in spoken), "switches", len(meeting.switches))


def test_the_play_out_takes_the_wait_for_no_jitter_and_makes_up_for_it_in_the_next_pause() -> None:
    """A talker wins a place in the middle of a word. It is decoded as a client decodes."""
    rng = random.Random(5)
    speech, seconds = load(SPEECH), 9.0
    phrases = sentences(speech)
    # The other talker becomes silent while this one speaks, so that the place comes with the whole pre-roll.
    first = phrases[0][: 2 * SAMPLE_RATE]
    pcm = microphone(seconds, [(2.22, phrases[1][: 3 * SAMPLE_RATE]), (6.0, phrases[0])], ROOM_NOISE, rng)
    meeting = OpenMicrophones(3, 1)
    meeting.run({0: voices(microphone(seconds, [(0.2, first)], ROOM_NOISE, rng)), 1: voices(pcm)})
    check(meeting)
    heard = meeting.heard[1]
    held_ms = [held for _, held in heard.values() if held]
    assert len(held_ms) >= 8
    encoder = OpusEncoder(frame_ms=20)
    packets = [encoder.encode(frame) for frame in frames(pcm)]
    pauses = [not voice for _, voice in voices(pcm)]
    targets, delays, kinds = play(packets, {n: (delay, held / 1000) for n, (delay, held) in heard.items()})
    plain, _, _ = play(packets, dict.fromkeys(heard, (0.0, 0.0)))
    begin = min(heard)
    assert max(targets[begin:]) <= max(plain[begin:]) + 5, "ms of play-out delay wanted"
    late = max(delays[begin : begin + 20])
    pause = next(n for n in range(begin + 20, len(pauses)) if pauses[n])
    print(f"late by {late:.0f} ms at first, {delays[pause]:.0f} ms before the pause, {delays[-1]:.0f} ms in the end")
    assert late >= 100, "what was held is played, late"
    assert delays[pause + 60] <= targets[pause + 60] + 40
    assert not kinds[FrameKind.LOST]
    assert kinds[FrameKind.CONCEAL] + kinds[FrameKind.LATE] <= 960


def play(
    packets: list[bytes], arrivals: dict[int, tuple[float, float]]
) -> tuple[list[float], list[float], Counter[FrameKind]]:
    """Decode packets that come so many seconds late and were held for so many. Return the delays and the samples.

    Delays are the wanted and the real one, in ms, at each tick of 20 ms. Samples are counted by kind since the first
    packet.
    """
    decoder = SpeakerDecoder()
    due = sorted((n * FRAME_SECONDS + delay + 0.005, n, held) for n, (delay, held) in arrivals.items())
    targets, delays = [], []
    kinds: Counter[FrameKind] = Counter()
    for tick in range(len(packets)):
        now = tick * FRAME_SECONDS
        while due and due[0][0] <= now:
            at, n, held = due.pop(0)
            decoder.put(sound_packet(n, n * 960, packets[n], at, held=held))
        for kind, samples in decoder.pcm(now, 960).labels:
            kinds[kind] += samples
        statistics = decoder.statistics
        targets.append(statistics.target_ms)
        delays.append(statistics.delay_ms)
    return targets, delays, kinds


def test_a_crowd_that_talks_at_once_does_not_flap() -> None:
    """Six talk without end, two of them softly. Places change rarely, and each change lasts."""
    rng = random.Random(4)
    speech = load(SPEECH)
    seconds, count = 20.0, 6
    meeting = OpenMicrophones(count + 1, 3)
    microphones = {}
    for number in range(count):
        cut = rng.randrange(len(speech) // FRAME) * FRAME
        rotated = np.concatenate((speech[cut:], speech[:cut]))
        turns = [(0.1 * number, rotated), (0.1 * number + len(speech) / 48_000, rotated)]
        gain = -10.0 if number < 2 else rng.uniform(-3.0, 0.0)
        microphones[number] = voices(microphone(seconds, turns, ROOM_NOISE, rng, gain))
    meeting.run(microphones)
    check(meeting)
    rates = [len(changes) * 60 / seconds for changes in (meeting.switches, meeting.interruptions)]
    print("{:.0f} switches/min, {:.0f} of them from somebody who talks".format(*rates))
    assert meeting.switches
    assert rates[0] <= 120
    assert rates[1] <= 60


def test_members_of_a_full_room_hear_who_wins_a_place_from_the_beginning_and_count_nothing_as_lost(
    make_world: Callable[..., VirtualWorld],
) -> None:
    world = make_world()
    clients = world.room(*(f"participant {n}" for n in range(10)))
    talkers, late, listener = clients[1:4], clients[4], clients[9]  # the first is the chair, who needs no place
    for talker in talkers:
        talker.talk()
    world.run(1)
    talkers[0].hush()
    world.run(0.06)
    late.talk()
    world.run(1)
    late.hush()
    world.run(0.5)
    assert listener.heard_from(late) == late.spoken
    waits = [heard.packet.held_ms for heard in listener.heard if heard.speaker == late.name]
    assert waits == sorted(waits, reverse=True)
    assert 60 <= waits[0] <= 200
    assert waits[-20:] == [0] * 20
    assert all(counts.lost == 0 for counts in listener.session.seat.downlink.losses.statistics().values())
    for talker in talkers[1:]:
        assert listener.heard_from(talker)[:100] == talker.spoken[:100]
