"""Media in and out of a call: files to play (`reader`), a test picture, recordings (`recorder`) and devices.

Everything but `devices` is synchronous and without a clock: the caller paces what is played.
"""

from pathlib import Path

SPEECH = Path(__file__).parent / "assets" / "speech.flac"
"""Fourteen seconds of two synthetic voices, 16 kHz mono, for demonstrations and tests."""

CLIP = Path(__file__).parent / "assets" / "clip.mp4"
"""Eight seconds of the test picture, 320x180 at 25 pictures per second."""
