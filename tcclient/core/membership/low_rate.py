"""Which publications are the low rate of which microphones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tcproto.messages import PublicationInfo, Source


class LowRate(NamedTuple):
    """The pairs of a room: a ``microphone_low`` stands in for the microphone that its publisher announced last."""

    microphones: dict[tuple[int, int], int]
    """By participant and publication number of a ``microphone_low``: publication number of its microphone."""
    streams: dict[int, int]
    """By stream id of a microphone: that of its ``microphone_low``."""


def low_rate(publications: Iterable[PublicationInfo]) -> LowRate:
    """Return the pairs among publications."""
    pairs = LowRate({}, {})
    microphones: dict[int, PublicationInfo] = {}
    for info in sorted(publications, key=lambda info: info.number):
        if info.source is Source.MICROPHONE:
            microphones[info.participant] = info
        elif info.source is Source.MICROPHONE_LOW and (microphone := microphones.get(info.participant)) is not None:
            pairs.microphones[info.participant, info.number] = microphone.number
            pairs.streams[microphone.stream] = info.stream
    return pairs
