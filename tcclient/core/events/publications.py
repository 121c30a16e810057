"""What becomes of our publications."""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.core.rate.allocation import Rate
from tcproto.errors import ErrorCode
from tcproto.messages import Caps


@dataclass(frozen=True, slots=True)
class Published:
    """Our publication has a stream: packets are accepted from now on, up to ``caps``."""

    number: int
    stream: int
    caps: Caps


@dataclass(frozen=True, slots=True)
class PublicationReady:
    """A frame of our publication would be sent now, were it not muted: it has a stream, and all have the key."""

    number: int


@dataclass(frozen=True, slots=True)
class PublishFailed:
    """Our publication was refused, or the server has ended it; its number is spent."""

    number: int
    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """Another participant holds our publication muted, or holds it no more; then it stays muted until we unmute it."""

    number: int
    held: bool


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """Somebody needs a keyframe of our publication's layer."""

    number: int
    spatial: int


@dataclass(frozen=True, slots=True)
class LayersWanted:
    """Somebody wants other layers of our publication than before."""

    number: int
    layers: tuple[int, ...]
    """The highest temporal layer that anybody wants of each spatial layer; -1: nobody wants any. Of a microphone one
    number, which is not negative where its low rate is wanted."""


@dataclass(frozen=True, slots=True)
class RateChanged:
    """Our publication has to be encoded in another way from now on, since the way up carries more or less."""

    number: int
    rate: Rate
    """``SoundRate`` or ``PictureRate``."""


PublicationEvent = Published | PublishFailed | HoldChanged | KeyframeRequested | LayersWanted | RateChanged
"""What is told of our publications, by ``number``, besides that they are ready."""
