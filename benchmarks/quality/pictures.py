"""How pictures look in the recordings, beside what libvpx alone makes of them at the same rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext

from benchmarks.harness.signal_comparison import psnr, squared_errors
from tcclient.capture.reader import open_video
from tcproto.packet import VIDEO_CLOCK

PEERS = {"best": "-1", "default": "8"}
"""libvpx in its real-time mode: the slowest fixed speed, whatever time it takes, and the speed that libvpx chooses."""
RATE_TOLERANCE = 0.005
"""How near the rate of a peer has to come to ours."""
MAX_TRIALS = 5


@dataclass(frozen=True)
class Coded:
    """Pictures that were encoded and decoded again."""

    bitrate: float
    """Bit/s, by the size of all pictures and the nominal rate."""
    psnr: float
    """dB, of the mean squared error over all pictures, as most tools report it."""
    mean_psnr: float
    """dB, mean of the pictures' own: less is said by the worst, more by near perfect ones."""


@dataclass(frozen=True)
class Source:
    """The pictures as they went into the encoder."""

    pictures: Sequence[Any]
    width: int
    height: int
    rate: Fraction


def source_pictures(path: Path, count: int, *, loop: bool) -> Source:
    """Return so many pictures of a file, scaled as the call scales them."""
    file = open_video(path, loop=loop)
    return Source(list(islice(file, count)), file.width, file.height, Fraction(file.frame_rate))


def measure(source: Source, frames: Sequence[bytes]) -> Coded:
    """Decode VP8 and compare it with its source."""
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, VideoCodecContext)
    shown = [picture for data in frames for picture in decoder.decode(av.Packet(data))]
    bits = 8 * sum(map(len, frames))
    errors = squared_errors(source.pictures[: len(shown)], shown)
    overall, mean = psnr(fmean(errors)), fmean(map(psnr, errors))
    return Coded(float(bits * source.rate / len(frames)), overall, mean)


def peer(source: Source, speed: str, bitrate: float) -> Coded:
    """Return the quality of libvpx at a rate. Its target is moved until its output has that rate."""
    target, trials = bitrate, []
    for _ in range(MAX_TRIALS):
        coded = measure(source, _encode(source, speed, round(target)))
        trials.append(coded)
        if abs(coded.bitrate / bitrate - 1) < RATE_TOLERANCE:
            break
        target *= bitrate / coded.bitrate
    return min(trials, key=lambda coded: abs(coded.bitrate - bitrate))


def _encode(source: Source, speed: str, bitrate: int) -> list[bytes]:
    context = av.CodecContext.create("libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = source.width, source.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, VIDEO_CLOCK), source.rate
    context.bit_rate, context.gop_size, context.thread_count = bitrate, 1 << 30, 1
    context.options = {"deadline": "realtime", "cpu-used": speed}
    packets = [packet for picture in source.pictures for packet in context.encode(picture)]
    return [bytes(packet) for packet in [*packets, *context.encode(None)]]
