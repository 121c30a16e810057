"""What is sent: files (``reader``), a test picture, devices, and how their frames are encoded and sent in time.

Only ``devices``, ``pipe`` and ``publisher`` wait for something. The other modules are synchronous and have no clock.
"""

from pathlib import Path

SPEECH = Path(__file__).parent / "assets" / "speech.flac"
"""Fourteen seconds of two synthetic voices, 16 kHz mono, for demonstrations and tests."""

CLIP = Path(__file__).parent / "assets" / "clip.mp4"
"""Eight seconds of the test picture, 320x180 at 25 pictures per second."""
