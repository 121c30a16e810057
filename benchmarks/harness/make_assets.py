"""Make the media that tcclient ships: ``python -m benchmarks.harness.make_assets`` (needs espeak-ng)."""

from __future__ import annotations

import subprocess
import tempfile
from itertools import islice
from pathlib import Path

import av
import numpy as np

from tcclient.capture.picture import TestPicture
from tcclient.capture.reader import open_audio

ASSETS = Path(__file__).resolve().parents[2] / "tcclient" / "capture" / "assets"
SPEECH_RATE = 16_000
CLIP_SECONDS = 8

SENTENCES = (
    ("en-gb", "Good morning. Each packet is encrypted once, and the same bytes go to everybody in the room."),
    ("en-us", "A quick question: does the server ever see the key? No, it only forwards what it cannot read."),
)


def make_speech(path: Path) -> None:
    """Speak the sentences, half a second of silence after each, at a peak of -6 dBFS."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "spoken.wav"
        for voice, sentence in SENTENCES:
            subprocess.run(["espeak-ng", "-v", voice, "-s", "160", "-w", str(spoken), sentence], check=True)
            parts += [np.concatenate(list(open_audio(spoken))), np.zeros(24_000, np.int16)]
    sound = np.concatenate(parts).astype(float)
    loud = (sound * (16_384 / np.abs(sound).max())).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SPEECH_RATE, layout="mono", options={"compression_level": "12"})
        down = av.AudioResampler(format="s16", layout="mono", rate=SPEECH_RATE)
        frame = av.AudioFrame.from_ndarray(loud[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        for piece in [*down.resample(frame), *down.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def make_clip(path: Path) -> None:
    """Film the test picture: 320x180, 25 pictures per second."""
    source = TestPicture(320, 180, 25)
    options = {"crf": "26", "preset": "veryslow", "tune": "animation"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, width=source.width, height=source.height, pix_fmt="yuv420p", options=options
        )
        for picture in islice(source, CLIP_SECONDS * 25):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    make_speech(ASSETS / "speech.flac")
    make_clip(ASSETS / "clip.mp4")
