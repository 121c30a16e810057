"""Why less of a track comes than there is."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

NOTHING = -1
"""In place of a layer: nothing comes."""


class Cause(StrEnum):
    """Why less of a track comes than there is. The first that holds counts, in this order."""

    HELD = "held"
    """A chair holds it muted."""
    MUTED = "muted"
    """Its publisher has muted it."""
    UNSUBSCRIBED = "unsubscribed"
    """The program does not want it."""
    DATA_CAP = "data_cap"
    """The cap of the data meter is near, or reached."""
    NOT_SELECTED = "not_selected"
    """Others come in its place: the cameras of those who spoke later, or louder voices."""
    BANDWIDTH = "bandwidth"
    """The line from the server is too thin for it."""
    NO_PATH = "no_path"
    """Large datagrams do not get through, and there is no stream path."""
    PUBLISHER = "publisher"
    """Its publisher sends less, or nothing: the way up there may be too thin, or the camera stands still."""


class Limit(NamedTuple):
    """What comes of a track, and why no more."""

    cause: Cause | None = None
    """None: all comes that is wanted."""
    layer: int = NOTHING
    """Where pictures are lowered: the highest spatial layer that comes; of a voice at its low rate 0; ``NOTHING`` where
    all is stopped."""


UNLIMITED = Limit()
