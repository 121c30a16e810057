"""What comes less than it could, and why: looked at all the time, and told where it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcclient.core.downlink.arrivals import KEPT
from tcclient.core.downlink.cause import UNLIMITED, Cause, Limit
from tcclient.core.downlink.subscription import Subscription
from tcclient.core.media.layers import LayerChoices
from tcclient.core.membership.roster import RoomState
from tcproto.messages import Kind, PublicationInfo, Source

LOOK_INTERVAL = 1.0
"""Seconds between two looks."""
PATIENCE = 5.0
"""Seconds after pictures are wanted anew until none means that none are sent: keyframes and layers take time."""
UNHEARD = 1.5
"""Seconds of silence of somebody who speaks by the word of the server, until the voice counts as left out."""
LOW_RATE = Limit(Cause.BANDWIDTH, 0)
"""That of a voice which comes at its low rate."""
_AS_WISHED = frozenset((Cause.HELD, Cause.MUTED, Cause.UNSUBSCRIBED))
"""Causes that are not told of a track that has just begun: nothing of it was stopped."""


class TrackLimits:
    """Finds what is stopped or lowered of the tracks of others.

    ``speakers`` returns those who speak by the word of the server, ``has_large_path`` whether datagrams of pictures get
    through.
    """

    def __init__(
        self,
        room: RoomState,
        subscription: Subscription,
        layers: LayerChoices,
        speakers: Callable[[], Iterable[int]],
        has_large_path: Callable[[], bool],
    ) -> None:
        self.next_deadline = 0.0
        """When ``changes`` is due."""
        self._room = room
        self._subscription = subscription
        self._layers = layers
        self._speakers = speakers
        self._has_large_path = has_large_path
        self._found: dict[tuple[int, int], Limit] = {}
        """By participant and publication."""
        self._expected: dict[int, float] = {}
        """Since when pictures of a stream have been wanted."""
        self._speaking: dict[int, float] = {}
        """Since when participants have spoken."""

    def changes(self, now: float) -> list[tuple[PublicationInfo, Limit]]:
        """Look at all tracks; return those of which more or less comes than before."""
        self.next_deadline = now + LOOK_INTERVAL
        heard, lately = (self._subscription.arrivals.heard_since(now - span) for span in (KEPT, UNHEARD))
        self._speaking = {who: self._speaking.get(who, now) for who in self._speakers()}
        before, self._found, changed = self._found, {}, []
        expected, self._expected = self._expected, {}
        for key, info in self._room.publications.items():
            if info.participant == self._room.own or info.source is Source.MICROPHONE_LOW:
                continue
            last = before.get(key)
            if info.kind is Kind.VIDEO:
                limit = self._asked_less(info) or self._pictures(info, expected, heard, now)
            else:
                limit = self._asked_less(info) or self._voice(info, lately, last or UNLIMITED, now)
            self._found[key] = limit
            if limit != (last or UNLIMITED) and not (last is None and limit.cause in _AS_WISHED):
                changed.append((info, limit))
        return changed

    def _asked_less(self, info: PublicationInfo) -> Limit | None:
        """Return why nothing of a track can come, as it is known beforehand; None: something may come."""
        if info.muted:
            return Limit(Cause.HELD if info.held else Cause.MUTED)
        if self._subscription.wished(info) is None:
            return Limit(Cause.UNSUBSCRIBED)
        return Limit(Cause.DATA_CAP) if self._subscription.wanted(info) is None else None

    def _pictures(self, info: PublicationInfo, expected: dict[int, float], heard: set[int], now: float) -> Limit:
        stream, lowest = info.stream, self._subscription.given_up(info)
        if self._subscription.is_left_out(info):
            return Limit(Cause.NOT_SELECTED)
        if lowest == 0:
            return Limit(Cause.BANDWIDTH)
        since = self._expected[stream] = expected.get(stream, now)
        if stream not in heard:
            if now >= since + PATIENCE and not self._has_large_path():
                return Limit(Cause.NO_PATH)
            if now >= since + PATIENCE and info.source is not Source.SCREEN:  # nothing comes of one that stands still
                return Limit(Cause.PUBLISHER)
        elif (shown := self._layers.lacking(stream)) is not None:
            return Limit(Cause.PUBLISHER, shown)
        return UNLIMITED if lowest is None else Limit(Cause.BANDWIDTH, lowest - 1)

    def _voice(self, info: PublicationInfo, heard: set[int], last: Limit, now: float) -> Limit:
        """Return whether a voice is left out, or comes at its low rate.

        Who is silent stays as it was, as long as the cause is there.
        """
        is_low = self._subscription.ladder.low_rate
        if is_low and self._room.low_rate.streams.get(info.stream) in heard:
            return LOW_RATE
        if info.stream in heard or info.source is not Source.MICROPHONE:
            return UNLIMITED
        cause = self._subscription.voices_cause or Cause.NOT_SELECTED
        if now >= self._speaking.get(info.participant, now) + UNHEARD and (heard or self._subscription.asked.voices):
            return Limit(cause)  # where nobody is heard at all, that is repaired elsewhere
        return last if last.cause in (cause, Cause.NOT_SELECTED) or (is_low and last == LOW_RATE) else UNLIMITED
