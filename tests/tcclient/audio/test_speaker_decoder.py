from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcclient.audio.decoder import SpeakerDecoder
from tcclient.audio.frame import FrameKind
from tcclient.audio.jitter import PutResult
from tcclient.audio.opus import BitrateMode, OpusDecoder, OpusEncoder
from tcclient.audio.tone import sine, speech_like
from tests.support.packets import sound_packet

TICK = 0.02
SPEECH = speech_like(48_000 * 6, seed=5)


def encode(pcm, frame_ms=20, **options):
    encoder = OpusEncoder(frame_ms=frame_ms, **options)
    size = encoder.frame_samples
    return [encoder.encode(pcm[start : start + size]) for start in range(0, len(pcm) - size + 1, size)]


def play(packets, *, frame_ms=20, lost=(), delays=None, ends=(), silent=(), extra=10, decoder=None):
    """Put one packet per frame, ask for 20 ms per tick; return the decoder, the blocks and their labels' lengths."""
    decoder = decoder or SpeakerDecoder()
    due = [
        (index * frame_ms / 1_000 + (delays or {}).get(index, 0.0), index)
        for index in range(len(packets))
        if index not in lost
    ]
    due.sort()
    blocks, labels = [], Counter()
    for tick in range(len(packets) * frame_ms // 20 + extra):
        now = tick * TICK
        while due and due[0][0] <= now + 1e-9:
            arrival, index = due.pop(0)
            decoder.put(
                sound_packet(
                    index,
                    index * frame_ms * 48,
                    packets[index],
                    arrival,
                    end_of_talk=index in ends,
                    comfort=index in silent,
                )
            )
        block = decoder.pcm(now, 960)
        assert block.pcm.dtype == np.int16
        assert block.pcm.shape == (960,)
        assert sum(samples for _, samples in block.labels) == 960
        blocks.append(block)
        for kind, samples in block.labels:
            labels[kind] += samples
    return decoder, blocks, labels


def joined(blocks):
    return np.concatenate([sound.pcm for sound in blocks])


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
def test_clean_stream_is_what_the_codec_gives(frame_ms):
    packets = encode(SPEECH[:96_000], frame_ms)
    _, blocks, labels = play(packets, frame_ms=frame_ms)
    reference = OpusDecoder()
    expected = np.concatenate([reference.decode(packet) for packet in packets])
    output = joined(blocks)
    start = next(index for index, sound in enumerate(blocks) if sound.timestamp is not None) * 960
    first = slice(240, 48_000 // 2)
    assert np.array_equal(output[start:][first], expected[first])
    assert labels[FrameKind.PACKET] >= len(expected) - 2 * 48 * frame_ms


def test_timestamps_follow_the_media():
    _, blocks, _ = play(encode(SPEECH[:96_000], 60), frame_ms=60)
    stamps = [sound.timestamp for sound in blocks if sound.timestamp is not None]
    assert stamps[:4] == [0, 960, 1_920, 2_880]


def test_nothing_is_silence():
    sound = SpeakerDecoder().pcm(0.0, 960)
    assert not sound.pcm.any()
    assert sound == (sound.pcm, ((FrameKind.SILENCE, 960),), None)


def test_block_of_no_samples():
    assert SpeakerDecoder().pcm(0.0, 0).pcm.shape == (0,)


@pytest.mark.parametrize("samples", [1, 441, 480, 960, 5_000])
def test_blocks_have_any_length(samples):
    decoder = SpeakerDecoder()
    for index, packet in enumerate(encode(SPEECH[:48_000], 60)):
        decoder.put(sound_packet(index, 2_880 * index, packet, 0.06 * index))
    for call in range(5):
        assert decoder.pcm(0.1 + call * samples / 48_000, samples).pcm.shape == (samples,)


def test_single_loss_is_concealed_and_labelled():
    packets = encode(sine(300, 96_000))
    decoder, blocks, labels = play(packets, lost={50})
    assert decoder.statistics.lost == 1
    assert labels[FrameKind.CONCEAL] + labels[FrameKind.LATE] >= 960
    blocks = [sound for sound in blocks if sound.labels[0][0] in (FrameKind.CONCEAL, FrameKind.LATE)]
    assert np.abs(blocks[0].pcm.astype(int)).mean() > 500


def test_loss_is_recovered_from_fec():
    packets = encode(SPEECH, bitrate=32_000, mode=BitrateMode.VBR, fec=True, expected_loss_percent=20)
    lost = set(range(20, len(packets) - 2, 7))
    decoder, _, labels = play(packets, lost=lost)
    assert labels[FrameKind.FEC] > 960 * len(lost) / 4
    assert decoder.statistics.fec_ms == labels[FrameKind.FEC] / 48


def test_long_loss_fades_to_silence_and_comes_back():
    packets = encode(sine(300, 192_000))
    _, blocks, labels = play(packets, lost=set(range(50, 90)))
    assert labels[FrameKind.LATE] + labels[FrameKind.CONCEAL] <= 2 * 4_800
    assert not joined(blocks[65:80]).any()
    assert np.abs(joined(blocks[100:110]).astype(int)).mean() > 500
    # The way down and up has no step that clicks: nothing much steeper than the tone itself.
    steps = np.abs(np.diff(joined(blocks[20:220]).astype(int)))
    assert steps.max() < 1.5 * 4_634 * 2 * np.pi * 300 / 48_000


def test_known_long_loss_is_labelled_lost():
    packets = encode(sine(300, 96_000))
    decoder = SpeakerDecoder()
    for index in (0, 1, *range(12, 30)):
        decoder.put(sound_packet(index, 960 * index, packets[index], 0.02 * index))
    kinds = [decoder.pcm(0.3 + 0.02 * tick, 960).labels[0][0] for tick in range(14)]
    assert kinds[2:7] == [FrameKind.CONCEAL] * 5
    assert kinds[7:12] == [FrameKind.LOST] * 5
    assert kinds[12] is FrameKind.PACKET


def test_end_of_talk_stops_at_once():
    packets = encode(sine(300, 48_000))
    _, _, labels = play(packets, ends={len(packets) - 1}, extra=20)
    assert set(labels) == {FrameKind.PACKET, FrameKind.SILENCE}


@pytest.mark.parametrize("frame_ms", [20, 60])
def test_delay_is_won_back_without_losing_packets(frame_ms):
    packets = encode(speech_like(48_000 * 16, seed=9), frame_ms)
    stalled = {index: 0.3 - (index - 20) * frame_ms / 1_000 for index in range(20, 20 + 300 // frame_ms)}
    decoder, _, _ = play(packets, frame_ms=frame_ms, delays=stalled)
    assert decoder.statistics.played == len(packets)
    assert decoder.statistics.delay_ms < 120


def test_late_start_is_slowed_down_to_gain_delay():
    packets = encode(sine(300, 96_000))
    jitter = {index: 0.05 * (index % 4 == 0) for index in range(1, len(packets))}
    decoder, _, _ = play(packets, delays=jitter)
    assert decoder.statistics.target_ms >= 50
    assert decoder.statistics.delay_ms >= 50


def test_corrupt_payloads_are_counted_and_concealed():
    packets = encode(SPEECH)
    broken = {50: b"", 60: b"\xff", 70: bytes([31 << 3 | 1, 1, 2, 0]), 80: bytes(2_000), 90: bytes([3 << 3 | 3, 63])}
    for index, payload in broken.items():
        packets[index] = payload
    decoder, blocks, labels = play(packets)
    assert decoder.corrupt == len(broken)
    assert labels[FrameKind.PACKET] > 0.9 * len(SPEECH)
    assert joined(blocks).any()


def test_put_tells_what_cannot_be_opus():
    decoder = SpeakerDecoder()
    assert decoder.put(sound_packet(0, 0, b"", 0.0)) is None
    assert decoder.put(sound_packet(1, 960, encode(SPEECH[:960])[0], 0.0)) is PutResult.QUEUED


GOOD = encode(SPEECH[:48_000], mode=BitrateMode.VBR, bitrate=32_000, fec=True, expected_loss_percent=20)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=40),
                st.sampled_from(GOOD),
                st.tuples(st.sampled_from(GOOD), st.integers(0, 79)).map(lambda pair: pair[0][: pair[1]]),
                st.tuples(st.integers(0, 31), st.binary(max_size=40)).map(lambda p: bytes([p[0] << 3 | 3]) + p[1]),
            ),
            st.integers(-3, 6),
            st.integers(-5_000, 5_000),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_no_packet_makes_it_raise(packets):
    decoder, sequence, timestamp = SpeakerDecoder(), 0, 0
    for step, (payload, ahead, shift, ended) in enumerate(packets):
        sequence += ahead
        timestamp += 960 * ahead
        decoder.put(sound_packet(sequence, timestamp + shift, payload, TICK * step, end_of_talk=ended))
        assert decoder.pcm(TICK * step, 960).pcm.shape == (960,)
    for index, payload in enumerate(GOOD):
        step = len(packets) + index
        decoder.put(
            sound_packet(sequence + 5_000 + index, timestamp + 48_000 * 100 + 960 * index, payload, TICK * step)
        )
        block = decoder.pcm(TICK * step, 960)
    assert block.labels[0][0] is FrameKind.PACKET


def test_what_comes_too_late_to_be_played_still_tells_the_decoder_how_the_sound_goes_on():
    packets = encode(SPEECH[: 48_000 * 2])
    whole = joined(play(packets)[1])

    def differs(**faults):
        decoder, blocks, labels = play(packets, **faults)
        assert (labels[FrameKind.CONCEAL], decoder.corrupt) == (960, 0)
        heard = joined(blocks)
        return [tick for tick in range(60, 70) if not np.array_equal(*(x[960 * tick :][:960] for x in (heard, whole)))]

    assert differs(delays={60: 0.075}) == [63, 64], "the concealed one, and the change to the true sound"
    assert differs(lost={60}) == list(range(63, 70))
