"""What is given up where the line is too thin, and when more is tried again.

There is one order. The voices come first, as many as the line can bear, and at least one, at the low rate of its
microphone where the line does not bear even that. Then come the pictures, the most important first, each if the line
can bear it too. So no voice is given up for a picture, and a small picture, or a still one, is shown where a large one
does not fit.

A meeting begins with as many voices as the line bears by a probe. Steps down are taken at once, as many as it takes. A
step up is taken after a while without a queue, one at a time. If the queue comes back soon after, the step was too
much, and the next one waits twice as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tcclient.core.downlink.arrivals import KEPT, Layer, Line
from tcproto.messages.types import MAX_VOICES

LOOK_INTERVAL = 0.05
"""Seconds between two looks at the line."""
QUEUE = 0.1
"""Seconds of a queue that is too long. The bar of a good call is 0.15 s, and it grows while this is noticed."""
TRIAL_QUEUE = 0.06
"""The same right after a step up, which is easily taken back."""
SUDDEN_QUEUE, SUDDEN = 0.03, 0.6
"""Seconds of a queue, beyond the usual delay, that pictures do not wait for, and the share of the usual rate that comes
then, of late and one after the other: the line carries less than it did. What a keyframe or a stall has held up, of the
line or of a server without a processor, comes faster. Voices wait: they take too little to fill a line soon."""
HOLD = 0.25
"""Seconds for which a queue has to stand: what a stall has held up, or a keyframe, is soon gone."""
GROWTH = 0.2
"""Seconds by which a queue grows then, so that nobody waits any longer: a keyframe alone makes less where all fits."""
FALL = 0.02
"""Seconds by which a queue is shorter that drains; the size of packets makes smaller differences."""
SETTLE = 0.3
"""Seconds from a step to datagrams that the server has sent after it: a round trip, where it is a long one."""
USABLE = 0.9
"""Part of what came while the queue stood that is used from then on."""
EXPECTED = 0.8
"""The same before anything has come, by what it is expected to take."""
MOST_DRAINED = 0.4
"""Part that is left free beside it at most where only voices are left, so that the queue drains: as much of the rate as
the queue has seconds. Where pictures are given up it drains by itself."""
USABLE_FOR_MORE = 0.9
"""The same for a step up, which is taken back if a queue comes of it.

Where pictures come, as large a part as is lost stays free beside both: of what is asked for again some comes twice. And
lost sound waits in the queue twice, before it is missed and as an answer.
"""
STABLE = 8.0
"""Seconds without a queue until a step up."""
FIRST_STABLE = 3.0
"""The same after pictures were left out at the beginning, by what they were expected to take, if all others come."""
UNPROVEN = 30.0
"""The same where nothing tells that the line bears it: a step that fails is heard."""
PROOF = 3.0
"""Seconds before a step up from which probes are of use."""
MAX_STABLE = 120.0
"""The same after steps up that failed again and again."""
TRIAL = 10.0
"""Seconds in which a queue is taken for the fault of the last step up."""
THIN, THIN_QUEUE = 40_000, 0.2
"""Bit/s of a line that does not bear a voice of 54,000 or 61,000, as they usually are, and seconds of its queue."""
LITTLE = 15_000
"""Bit/s of pictures that may stay though voices are given up: still ones, which take less than a voice needs."""
STILL = 0.2
"""Part by which a queue changes at least when much less is sent, if it is that of this line."""


class Part(NamedTuple):
    """A layer of pictures that can be given up by itself."""

    layer: Layer
    bitrate: float
    """What it takes of the line, or would take, bit/s."""


class Offer(NamedTuple):
    """What there is to receive."""

    voices: tuple[float, ...]
    """Bit/s of each of those who talk."""
    talkers: int
    """Those who could talk."""
    pictures: tuple[Part, ...]
    """The most important first."""
    low_rate: float = 0.0
    """Bit/s that a voice takes less at its low rate; 0: none of those who talk has one."""


class _Mark(NamedTuple):
    """A queue that is too long and does not fall."""

    since: float
    first: float
    """Seconds, then."""
    most: float
    """Seconds, since then."""


class Ladder:
    """Decides what is received.

    That is ``voices`` at a time (0: all), at the ``low_rate`` or not, and no layers of pictures that are ``given_up``.
    """

    def __init__(self) -> None:
        self.voices = 0
        self.low_rate = False
        self.given_up: frozenset[Layer] = frozenset()
        self._marked: _Mark | None = None
        self.has_stepped = False
        """Whether a queue has ever made it give something up."""
        self._stepped_at = 0.0
        self._stable_since = 0.0
        self._stable = STABLE
        self._lacked_at = float("-inf")
        """The last time at which a layer that is asked for did not come, while a step up was due."""
        self._raised: tuple[float, int, frozenset[Layer], bool] | None = None
        """When the last step up was, and what it was from."""
        self.capacity = 0.0
        """Bit/s that came while a queue stood."""
        self._lowered: Line | None = None
        """The line at the last step down."""
        self._ignored = 0.0
        """Seconds of delay that do not go away when less is sent: the way is longer, or the queue is not ours."""

    @property
    def is_limiting(self) -> bool:
        """Whether something is given up."""
        return bool(self.voices or self.low_rate or self.given_up)

    def wants_proof(self, now: float) -> bool:
        """Return whether a step up waits for nothing but a proof that the line bears it."""
        return self.is_limiting and now >= self._stable_since + self._stable - PROOF

    def begin_voices(self, voices: int, bitrate: float, now: float) -> None:
        """Begin with so many voices on a line of so many bit/s: those of all would fill it before that is seen."""
        self.voices = voices
        self.capacity, self._stable_since = bitrate, now

    def begin(self, pictures: frozenset[Layer], offer: Callable[[], Offer], bitrate: float, now: float) -> bool:
        """Give up what a line of so many bit/s will not bear of pictures that have just begun, or are about to.

        Return whether that is anything. ``offer`` is asked while all of them are given up.
        """
        self.given_up = pictures
        offered = offer()
        self.given_up = pictures - _fitting(offered.pictures, bitrate * EXPECTED - sum(offered.voices))
        if self.given_up:
            self.capacity, self._stable_since, self._stable = bitrate, now, FIRST_STABLE
            self._stepped_at = now  # what has been sent may be a keyframe
        return bool(self.given_up)

    def look(self, line: Line, offer: Callable[[], Offer], now: float) -> bool:
        """Take the line as it is; return whether something else is given up now. ``offer`` is asked where it matters.

        To be called each ``LOOK_INTERVAL``.
        """
        in_trial = self._raised is not None and now < self._raised[0] + TRIAL
        self._ignored = min(self._ignored, line.queue)
        queue = line.queue - self._ignored
        is_slower = now >= self._stepped_at + KEPT and _is_slower(line)
        if queue < (TRIAL_QUEUE if in_trial else QUEUE) and not is_slower:
            self._marked = self._lowered = None
            return self._rest(line, offer, now)
        self._stable_since = now
        if self._stepped_at:
            self.capacity = line.bitrate
        if now - queue < self._stepped_at + SETTLE:
            return False  # what comes now was sent before the last step
        is_passing, offered = self._is_passing(line, now), offer()
        if is_passing and not (is_slower and self._kept(offered)):
            return False
        self._marked = None
        self._stepped_at, self.has_stepped = now, True
        self.capacity = line.bitrate
        if in_trial:
            return self._take_back()
        if self._lowered is not None and _is_elsewhere(self._lowered, line):
            self._ignored, self._lowered = line.queue, None
            return False
        self._lowered = self._lowered or line
        self._stable = STABLE
        is_thin = offered.low_rate > 0 and line.bitrate < THIN and queue >= THIN_QUEUE
        before, self.low_rate = self.low_rate, self.low_rate or is_thin
        voices = len(offered.voices) if is_passing else 1
        lowered = self._lower(offered, voices, line.bitrate * USABLE, line.bitrate * min(MOST_DRAINED, queue))
        return lowered or self.low_rate != before

    def _is_passing(self, line: Line, now: float) -> bool:
        """Return whether a queue may go away by itself: it has not stood for long, and does not grow fast."""
        if self._marked is None or line.queue < self._marked.most - FALL:
            self._marked = _Mark(now, line.queue, line.queue)
        self._marked = self._marked._replace(most=max(self._marked.most, line.queue))
        return now < self._marked.since + HOLD and line.queue < self._marked.first + GROWTH

    def follow(self, offer: Offer, before: Offer) -> bool:
        """Take another offer than before; return whether something else is given up now.

        While something is given up, new pictures are not tried out before their turn. But what has become important
        takes the place of what is less so, as far as it does not take more of the line.
        """
        if not self.given_up:
            return False
        old = [part.layer for part in before.pictures]
        if old == [part.layer for part in offer.pictures]:
            return False  # what they take varies
        known = [part for part in offer.pictures if part.layer in old]
        room = 1 + sum(part.bitrate for part in known if part.layer not in self.given_up)  # a sum is rounded
        every = frozenset(part.layer for part in offer.pictures)
        given_up = every - _fitting(known, room)
        changed = given_up != self.given_up & every
        self.given_up = given_up
        return changed

    def _rest(self, line: Line, offer: Callable[[], Offer], now: float) -> bool:
        if self._raised is not None and now >= self._raised[0] + TRIAL:
            self._raised, self._stable = None, STABLE
        if not self.is_limiting or now < self._stable_since + self._stable:
            return False
        offered = offer()
        missing = [part for part in offered.pictures if part.layer in self.given_up]
        if self.low_rate:
            more = offered.low_rate * min(len(offered.voices), self.voices or len(offered.voices))
        else:
            more = max(offered.voices, default=0.0) if self.voices else missing[0].bitrate if missing else 0.0
        kept = self._kept(offered)
        if _is_incomplete(kept):
            self._lacked_at = now
        if now < min(self._lacked_at + FIRST_STABLE, self._stable_since + STABLE):
            return False  # what a layer takes that has just come again is not known
        known = max(self.capacity, line.proven or 0.0)
        usable = USABLE_FOR_MORE - (0.0 if self.voices or self.low_rate else line.loss)
        # What has just begun is not yet usual.
        takes = max(line.usual, sum(part.bitrate for part in kept) + sum(offered.voices))
        is_proven = takes + more <= known * usable
        if not is_proven and (line.proven is not None or now < self._stable_since + UNPROVEN):
            return False
        self._stable_since = now
        self._raised = now, self.voices, self.given_up, self.low_rate
        if self.low_rate:
            self.low_rate = False
        elif self.voices:
            self.voices = self.voices + 1 if self.voices < min(offered.talkers - 1, MAX_VOICES) else 0
        else:
            self.given_up = frozenset(part.layer for part in missing[1:])
        return True

    def _take_back(self) -> bool:
        assert self._raised is not None
        _, self.voices, self.given_up, self.low_rate = self._raised
        self._raised = None
        self._stable = min(2 * self._stable, MAX_STABLE)
        return True

    def _kept(self, offer: Offer) -> list[Part]:
        return [part for part in offer.pictures if part.layer not in self.given_up]

    def _lower(self, offer: Offer, least: int, room: float, drained: float) -> bool:
        """Give up what is beyond ``room`` bit/s, and something in any case, as long as there is more than a voice.

        ``least`` voices stay. ``drained`` bit/s of it are left for the queue if there are no pictures.
        """
        kept = self._kept(offer)
        if not kept:
            room -= drained
        voices = 0
        for bitrate in offer.voices:
            if room < bitrate and voices >= least:
                break
            room -= bitrate
            voices += 1
        is_cut = voices < len(offer.voices)
        fitting = _fitting([part for part in kept if part.bitrate <= LITTLE] if is_cut else kept, room)
        given_up = frozenset(part.layer for part in offer.pictures) - fitting
        if kept and given_up == self.given_up and not is_cut:
            given_up |= {kept[-1].layer}
        elif not kept and not is_cut and voices > 1:
            voices -= 1
        limit = min(max(voices, 1), MAX_VOICES) if voices < len(offer.voices) else self.voices
        changed = (limit, given_up) != (self.voices, self.given_up)
        self.voices, self.given_up = limit, given_up
        return changed


def _fitting(pictures: Iterable[Part], room: float) -> set[Layer]:
    """Return the layers that fit ``room`` bit/s, each if those below it do."""
    fitting: set[Layer] = set()
    for part in pictures:
        stream, layer = part.layer
        if part.bitrate <= room and (not layer or (stream, layer - 1) in fitting):
            fitting.add(part.layer)
            room -= part.bitrate
    return fitting


def _is_incomplete(kept: Iterable[Part]) -> bool:
    """Return whether the lower layer of pictures comes in the place of one that is asked for, which may come again."""
    comes = {part.layer for part in kept if part.bitrate}
    return any((part.layer[0], part.layer[1] - 1) in comes and not part.bitrate for part in kept)


def _is_slower(line: Line) -> bool:
    """Return whether the line carries less than a moment ago. Within ``KEPT`` of a step the usual is that before it."""
    return line.fresh >= SUDDEN_QUEUE + line.jitter and max(line.bitrate, line.pace) < SUDDEN * line.usual


def _is_elsewhere(before: Line, line: Line) -> bool:
    """Return whether a queue stays as it is, though much less comes than when it was found."""
    return line.bitrate < before.bitrate / 2 and abs(line.queue - before.queue) < STILL * before.queue
