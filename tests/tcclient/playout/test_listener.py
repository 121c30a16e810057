"""What a listener plays, and how loud it plays each speaker."""

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tcclient.audio.delay import START_TARGET
from tcclient.audio.frame import FrameKind
from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.participant import Participant
from tcclient.playout.listener import TICK, Listener, decoding
from tcclient.playout.playout import Playout
from tcclient.track import Track
from tcproto import messages as m
from tcproto.messages import Kind, PublicationInfo, Source
from tests.support.packets import sound_packet

FRAMES = 60


def tone(frequency, level=-26):
    """Encoded frames of a tone."""
    encoder = OpusEncoder(bitrate=64_000)
    pcm = sine(frequency, 960 * FRAMES, level=level)
    return [encoder.encode(pcm[start : start + 960]) for start in range(0, len(pcm), 960)]


TONES = {"ada": tone(400), "ben": tone(1_000)}


def level_at(pcm, frequency):
    """The level of one frequency, in dB."""
    turns = np.exp(-2j * np.pi * frequency * np.arange(len(pcm)) / 48_000)
    return 20 * np.log10(max(abs(np.mean(pcm * turns)), 0.01))


def settled(playout, speakers=("ada", "ben")):
    """Let a participant speak for a second, and return the last half."""
    blocks = []
    for tick in range(FRAMES):
        now = 0.02 * tick
        came = [(name, sound_packet(tick, 960 * tick, TONES[name][tick], now)) for name in speakers]
        blocks.append(playout.tick(now + 0.001, came).pcm)
    return np.concatenate(blocks[FRAMES // 2 :])


def test_the_play_out_takes_volumes_by_speaker():
    usual = settled(Playout())
    playout = Playout()
    playout.volumes = {"ada": 0.5, "ben": 2.0}
    changed = settled(playout)
    assert level_at(changed, 400) == pytest.approx(level_at(usual, 400) - 6.0, abs=0.3)
    assert level_at(changed, 1_000) == pytest.approx(level_at(usual, 1_000) + 6.0, abs=0.3)
    playout = Playout()
    playout.volumes = {"ada": 0.0}
    assert level_at(settled(playout), 400) < level_at(usual, 400) - 60


def test_the_play_out_lowers_the_others_for_a_priority_speaker():
    usual = settled(Playout())
    playout = Playout()
    playout.priority = {"ben"}
    changed = settled(playout)
    assert level_at(changed, 400) == pytest.approx(level_at(usual, 400) - 12.0, abs=0.3)
    assert level_at(changed, 1_000) == pytest.approx(level_at(usual, 1_000), abs=0.3)


def _parts(number, name):
    member = RosterEntry(m.Member(number, name, name.title(), name, m.Role.SPEAKER, b"", b"", 0, b"", 0), True)
    info = PublicationInfo(number, 1, number, Kind.AUDIO, Source.MICROPHONE, "opus")
    return info, Participant(member, None)


def track(number, name):
    return Track(*_parts(number, name), None, lambda *_: False, None, None)


def test_a_participant_is_as_loud_as_one_says_while_it_speaks():
    """Others are lowered for a priority speaker. A frame comes with each tick, however late the machine is."""

    async def main():
        ada, ben = track(1, "ada"), track(2, "ben")
        blocks, done = [], asyncio.Event()
        begin = time.monotonic()

        def ticked(mix, _):
            blocks.append(mix.pcm)
            if len(blocks) == 20:
                ada.participant.volume = 0.25
            if len(blocks) == 40:
                ada.participant.volume, ben.participant.priority = 1.0, True
            if len(blocks) == FRAMES:
                done.set()
                return
            for each in (ada, ben):
                frame, at = TONES[each.participant.account][len(blocks)], begin + TICK * len(blocks)
                packet = sound_packet(len(blocks), 960 * len(blocks), frame, at, voice=True)
                for callback in each.on_audio:
                    callback(packet)

        with ThreadPoolExecutor(1) as pool:
            listener = Listener(pool)
            listener.add(ada)
            listener.add(ben)
            listener.on_mix.append(ticked)
            running = asyncio.create_task(listener.run())
            async with asyncio.timeout(30):
                await done.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return blocks

    blocks = asyncio.run(main())
    usual, quieter, lowered = (np.concatenate(blocks[begin : begin + 8]) for begin in (10, 29, 50))
    assert level_at(quieter, 400) == pytest.approx(level_at(usual, 400) - 12.0, abs=1.5)
    assert level_at(quieter, 1_000) == pytest.approx(level_at(usual, 1_000), abs=1.5)
    assert level_at(lowered, 400) == pytest.approx(level_at(usual, 400) - 12.0, abs=1.5)
    assert level_at(lowered, 1_000) == pytest.approx(level_at(usual, 1_000), abs=1.5)


def test_voices_begin_with_the_delay_that_is_asked_for_but_with_no_less_than_usual():
    with ThreadPoolExecutor(1) as pool:
        for asked in (0.0, 0.14):
            listener = Listener(pool, lambda asked=asked: asked)
            listener._weigh()
            packet = sound_packet(0, 0, TONES["ada"][0], 1.0, voice=True)
            listener.playout.tick(1.0, [("ada", packet)])
            (statistics,) = listener.playout.statistics().values()
            assert statistics.target_ms == pytest.approx(1000 * max(START_TARGET, asked))


def test_a_track_that_ended_is_played_to_its_end_as_loud_as_before():
    with ThreadPoolExecutor(1) as pool:
        listener, ada = Listener(pool), track(1, "ada")
        ada.participant.volume, ada.participant.priority = 0.5, True
        listener.add(ada)
        for _ in range(2):
            listener._weigh()
            assert (listener.playout.volumes, listener.playout.priority) == ({ada: 0.5}, {ada})
            listener.remove(ada)


def test_the_sound_of_one_track_says_what_was_sent_and_what_was_invented():
    """Three frames are lost, one at a time, and nothing is sent after the last."""
    lost = (30, 36, 42)

    async def main():
        with ThreadPoolExecutor(1) as pool:
            ada = Track(*_parts(1, "ada"), pool, lambda *_: False, lambda each, put: decoding(each, pool, put), None)
            sounds, begin, found = ada.labelled_audio(), time.monotonic(), []
            for number, frame in enumerate(TONES["ada"]):
                sound = asyncio.ensure_future(anext(sounds))
                await asyncio.sleep(0)
                packet = sound_packet(number, 960 * number, frame, begin + TICK * number, voice=True)
                for callback in ada.on_audio * (number not in lost):
                    callback(packet)
                found.append(await sound)
            while found[-1].labels != ((FrameKind.SILENCE, 960),):
                found.append(await anext(sounds))
            await sounds.aclose()
        return found

    found = asyncio.run(asyncio.wait_for(main(), 30))
    assert all(sum(samples for _, samples in sound.labels) == len(sound.pcm) == 960 for sound in found)
    heard = Counter()
    for sound in found:
        heard.update(dict(sound.labels))
    assert heard[FrameKind.CONCEAL] == 960 * len(lost)
    assert heard[FrameKind.PACKET] == pytest.approx(960 * (FRAMES - len(lost)), rel=0.1)
    assert heard[FrameKind.LATE], "nothing says that the last frame is the last"
