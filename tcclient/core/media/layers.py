"""Which spatial layer of each stream of pictures is received, and how another one takes its place.

A receiver shows one layer. It changes at a keyframe of the other one, and takes both until that has come. If it does
not come in time, the change is given up: upwards what is shown stays, and the other layer is tried again later;
downwards the higher layer is given up, since the line cannot bear it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tcclient.core.membership.roster import RoomState
from tcclient.core.timers import NEVER
from tcproto.messages import Kind, PublicationInfo, StreamChoice, Subscribe
from tcproto.messages.types import MAX_CHOICES

PATIENCE = 1.0
"""Seconds, beside a round trip, in which the keyframe of another layer has to come."""
RETRY = 4.0
"""Seconds until a higher layer is tried again that did not come."""
MAX_RETRY = 64.0
"""The same after it did not come again and again: the publisher may not be able to send it."""
STALLED = 3.0
"""Seconds without a picture of the shown layer after which any lower one is welcome: its publisher sends less now."""
ASK_AGAIN = 0.5
"""Seconds until it is asked again what could not be asked for."""
MOST_ASKS, ASKS_SPAN = 4, 2.0
"""How often something else is asked for in so many seconds at most: senders that change their layers all the time must
not make all receivers ask all the time."""


def height_of(info: PublicationInfo, layer: int) -> int:
    """Return the height of a layer in pixels: each has half of that of the next one; 0: it is not known."""
    return info.height >> (info.layers - 1 - layer)


@dataclass(slots=True)
class _Stream:
    """The layers of one stream."""

    wish: int
    """The layer that is wanted."""
    target: int
    """The layer that is tried now: the wish, or what is shown while that cannot be had."""
    due: float
    """When a change is given up, or a higher layer is tried again."""
    shown: int | None = None
    """None: nothing yet, or nothing any more."""
    stalls_at: float = NEVER
    retry: float = RETRY

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest layer that are asked for; all below too, where the target has not come alone."""
        if self.shown is None:
            return 0 if self.due == NEVER else self.target, self.target
        return min(self.shown, self.target), max(self.shown, self.target)

    def aim(self, wish: int, due: float) -> None:
        """Want another layer; ``due`` is when the change to it is given up."""
        if wish != self.wish:
            self.retry = RETRY
            self.wish = self.target = wish
            self.due = NEVER if wish == self.shown else due

    def show(self, layer: int, now: float) -> bool:
        """Note a picture of a layer; return whether the range is another one."""
        before = self.range
        self.stalls_at = now + STALLED
        if layer != self.shown:
            fell_back = self.due == NEVER and layer < self.target
            self.shown = layer
            if fell_back:
                self.settle(now)
            elif layer == self.target:
                self.retry, self.due = RETRY, NEVER
        return self.range != before

    def settle(self, now: float) -> None:
        """Stay with the shown layer, and try the wish again later."""
        assert self.shown is not None
        self.target, self.due = self.shown, now + self.retry
        self.retry = min(2 * self.retry, MAX_RETRY)

    def expire(self, patience: float, now: float) -> None:
        """Do what is due: give a change up, or begin one."""
        if self.shown is None:
            self.due = NEVER
        elif self.shown < self.target:
            self.settle(now)
        elif self.shown > self.target:
            self.shown, self.due = None, now + patience
        else:
            self.target, self.due = self.wish, now + patience

    def stall(self) -> None:
        """Welcome any layer: no picture of the shown one has come for long."""
        self.shown, self.due, self.stalls_at = None, NEVER, NEVER


class LayerChoices:
    """Chooses the layers of the streams of all others.

    ``round_trip`` returns the seconds of one on the path. ``ask`` subscribes again, by way of ``refine``, and returns
    whether it could.
    """

    def __init__(self, room: RoomState, round_trip: Callable[[], float | None], ask: Callable[[], bool]) -> None:
        self.max_height = 0
        """Pixels of the highest pictures that are wanted; 0: the highest that there are."""
        self._room = room
        self._round_trip = round_trip
        self._ask = ask
        self._now = 0.0
        self._ask_at = NEVER
        self._asks = deque((-ASKS_SPAN,) * MOST_ASKS, MOST_ASKS)
        """When it was asked last."""
        self._seen: frozenset[int] = frozenset()
        """Streams with several layers that were there when something was asked for last."""
        self._streams: dict[int, _Stream] = {}
        """By stream id: those with several layers that are wanted."""

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due."""
        return min([self._ask_at, *(min(stream.due, stream.stalls_at) for stream in self._streams.values())])

    def refine(self, wanted: Subscribe, now: float) -> Subscribe:
        """Return what is to be asked for: of each stream with several layers one, or two during a change.

        Its publication and choice tell which: the highest that is not higher than ``max_height``.
        """
        chosen = {choice.stream: choice for choice in wanted.choices}
        self._now = now = max(now, self._now)
        before, self._streams, self._ask_at = self._streams, {}, NEVER
        self._seen = frozenset(info.stream for info in self._layered())
        for info in self._layered():
            choice = chosen.get(info.stream) or StreamChoice(info.stream, by_default=True)
            if info.source in wanted.defaults if choice.by_default else choice.wanted:
                wish, due = self._wish(info, choice), now + self._patience
                stream = self._streams[info.stream] = before.get(info.stream) or _Stream(wish, wish, due)
                stream.aim(wish, due)
                lowest, highest = stream.range
                chosen[info.stream] = replace(choice, min_spatial=lowest, max_spatial=highest)
        return replace(wanted, choices=tuple(chosen.values())[-MAX_CHOICES:])

    def lacking(self, stream: int) -> int | None:
        """Return the layer that is shown of a stream whose wanted one did not come; None: there is no such."""
        known = self._streams.get(stream)
        if known is None or known.shown is None or not known.target == known.shown < known.wish:
            return None
        return known.shown

    def is_welcome(self, stream: int, layer: int) -> bool:
        """Return whether a layer is shown, or may be from its next keyframe on."""
        known = self._streams.get(stream)
        if known is None:
            return True
        return layer in (known.shown, known.target) or (known.shown is None and layer < known.target)

    def shown(self, stream: int, layer: int, now: float) -> bool:
        """Note that a picture of a welcome layer is shown; return whether something else is asked for from now on."""
        known = self._streams.get(stream)
        changed = known is not None and known.show(layer, now)
        if changed:
            self.ask_again(now)
        return changed

    def publications_changed(self, now: float) -> None:
        """Ask for a layer of each stream that is new."""
        if any(info.stream not in self._seen for info in self._layered()):
            self.ask_again(now)

    def ask_again(self, now: float) -> None:
        """Ask for what is wanted now, at once or a little later."""
        self._now = now
        if now < self._asks[0] + ASKS_SPAN:
            self._ask_at = self._asks[0] + ASKS_SPAN
        elif self._ask():
            self._asks.append(now)
        else:
            self._ask_at = now + ASK_AGAIN

    def handle_timeout(self, now: float) -> None:
        """Do what is due: give changes up, begin them, ask again."""
        asks = self._ask_at <= now
        muted = {info.stream for info in self._layered() if info.muted}
        for number, stream in self._streams.items():
            before = stream.range
            if stream.stalls_at <= now:
                if number in muted:
                    stream.stalls_at = now + STALLED
                else:
                    stream.stall()
            if stream.due <= now:
                stream.expire(self._patience, now)
            asks |= stream.range != before
        if asks:
            self.ask_again(now)

    @property
    def _patience(self) -> float:
        return PATIENCE + (self._round_trip() or 0.0)

    def _layered(self) -> Iterator[PublicationInfo]:
        """Yield the publications of others with several layers."""
        for info in self._room.publications.values():
            if info.kind is Kind.VIDEO and info.layers > 1 and info.participant != self._room.own:
                yield info

    def _wish(self, info: PublicationInfo, choice: StreamChoice) -> int:
        """Return the highest layer that the choice and the height allow; at least the lowest."""
        highest = min(choice.max_spatial, info.layers - 1)
        if self.max_height and info.height:
            while highest and height_of(info, highest) > self.max_height:
                highest -= 1
        return highest
