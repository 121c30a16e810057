"""Which talkers of a room are forwarded: the loudest few, decided before fan-out.

Each audio stream contends for one of a few *places*, with packets that have voice. A place is won at once if it is
free, or if its holder has fallen silent. From a holder who talks it is won only by being clearly louder for a while. A
holder keeps its place through silence until somebody needs it, so pauses cost nothing.

Levels are claims: end-to-end encrypted audio cannot be measured here. So each talker has a *grade*. A place is also won
at once from a holder of a lower grade, whoever is louder. A stream whose level does not vary, be it a hum or a lie, has
a lower grade than one that talks. The second place of an account has a lower grade than the first place of another:
three clients of one account have three places only while nobody else needs any.
"""

from __future__ import annotations

from collections.abc import Collection

from tcproto.packet import SPEECH_LEVEL
from tcserver.media.speakers.dominance import MAX_LEVEL

SMOOTHING = 0.5
"""Weight of the newest packet in the loudness."""
RELEASE = 8.0
"""dB per second by which the loudness fades. So phrases are compared, not a vowel with a consonant of somebody else."""
EXPIRY = 0.15
"""Seconds without voice after which a holder counts as silent."""
FADE = 25.0
"""dB below the loudness of the last syllables. Softer packets are a pause, though a detector may call them voice."""
PAUSE = 0.3
"""Seconds of such a pause after which a holder counts as silent; pauses between words are shorter."""
HOLD = 0.5
"""Seconds for which a place, once won, is safe from louder talkers, and from a pause."""
MARGIN = 6.0
"""dB that make a talker clearly louder: twice the amplitude."""
VARIATION = 6
"""dB between two levels that count as a variation. Syllables and the gaps between them differ by over twice as much."""
VARIED = 1.0
"""Seconds that one variation adds to the time for which a stream counts as talk; speech varies several times in one."""
ENOUGH_VARIED = 2.0
"""Seconds of that time that have to be left for a stream to count as talk: three variations, a word or two."""
MOST_VARIED = 10.0
"""Seconds of that time at most: enough for the pauses of somebody who talks."""
CHALLENGE = 0.1
"""Seconds for which a talker has to be clearly louder, so that a cough takes no place. Pre-roll makes up for them."""


def contends(level: int, voice: bool) -> bool:
    """Return whether a packet of this level (in -dBov) and voice flag counts as one with voice."""
    return voice or level <= SPEECH_LEVEL


class _Talker:
    """One stream in the contest."""

    __slots__ = (
        "account",
        "ahead_since",
        "heard_at",
        "held_since",
        "loud_at",
        "loudness",
        "reference",
        "seat",
        "silent_from",
        "smoothed",
        "varied_until",
    )

    def __init__(self, seat: int, account: int, level: int, now: float) -> None:
        self.seat = seat
        self.account = account
        self.reference = level
        """The level (in -dBov) that the next one has to differ from."""
        self.varied_until = now
        """Each variation puts it off by ``VARIED``; the stream counts as talk while ``ENOUGH_VARIED`` are left."""
        self.smoothed = 0.0
        self.loudness = 0.0
        """dB above silence. It follows the smoothed level up at once, and fades slowly."""
        self.heard_at = self.loud_at = self.silent_from = now
        self.held_since = now
        """When the place was won."""
        self.ahead_since: float | None = None
        """Since when this talker is clearly louder than the quietest holder; None: it is not."""


class Loudest:
    """The contest of one room. No seat holds two places."""

    __slots__ = ("_holders", "_talkers", "always", "changed", "dominant", "limit")

    def __init__(self) -> None:
        self.limit = 0
        """Places; 0: all are forwarded."""
        self.dominant: int | None = None
        """Stream of the dominant speaker. While it talks, it gets and keeps a place, even if others are louder."""
        self.changed = True
        """Whether the holders may have changed. The user of this sets it back to False."""
        self.always: frozenset[int] = frozenset()
        """Seats that are forwarded at any level."""
        self._talkers: dict[int, _Talker] = {}
        self._holders: dict[int, _Talker] = {}

    @property
    def holders(self) -> tuple[int, ...]:
        """Streams that hold a place."""
        return tuple(self._holders)

    def configure(self, limit: int, always: Collection[int]) -> None:
        """Set the number of places, and the seats that are forwarded at any level, without a place."""
        self.limit = limit
        self.changed = True
        self.always = frozenset(always)
        for stream, talker in list(self._holders.items()):
            if talker.seat in self.always:
                del self._holders[stream]
        # Those who spoke last stay.
        for stream, _ in sorted(self._holders.items(), key=lambda holder: holder[1].silent_from)[: -limit or None]:
            del self._holders[stream]

    def forget(self, stream: int) -> None:
        """Forget a stream that was closed or muted: its place is free."""
        self._talkers.pop(stream, None)
        if self._holders.pop(stream, None) is not None:
            self.changed = True

    def hear(self, stream: int, seat: int, account: int, level: int, voice: bool, now: float) -> bool:
        """Note the level (in -dBov) of a packet; return whether it is forwarded."""
        talker = self._talkers.get(stream)
        if talker is None:
            talker = self._talkers[stream] = _Talker(seat, account, level, now)
        elif not -VARIATION < level - talker.reference < VARIATION:
            talker.reference = level
            talker.varied_until = min(max(talker.varied_until, now) + VARIED, now + MOST_VARIED)
        smoothed = talker.smoothed = talker.smoothed + SMOOTHING * (MAX_LEVEL - level - talker.smoothed)
        loudness = talker.loudness - RELEASE * (now - talker.heard_at)
        talker.heard_at = now
        talker.loudness = smoothed if smoothed > loudness else loudness  # noqa: FURB136 - max() costs twice as much
        contending = voice or level <= SPEECH_LEVEL
        if contending:
            if MAX_LEVEL - level >= talker.loudness - FADE:
                talker.loud_at = now
            silent_from = max(talker.loud_at + PAUSE, talker.held_since + HOLD)
            talker.silent_from = min(now + EXPIRY, silent_from)
        return stream in self._holders or seat in self.always or (contending and self._contend(stream, talker, now))

    def _contend(self, stream: int, talker: _Talker, now: float) -> bool:
        """Return whether a talker without a place wins one."""
        holders = self._holders
        rival, below = self._rival(talker, now)
        if rival is None:
            if len(holders) >= self.limit:
                return False
        elif below or self._beats(stream, talker, holders[rival], now):
            del holders[rival]
        else:
            return False
        holders[stream] = talker
        self.changed = True
        talker.held_since = now
        talker.ahead_since = None
        return True

    def _rival(self, talker: _Talker, now: float) -> tuple[int | None, bool]:
        """Return the holder whose place a talker has to win, and whether it is of a lower grade.

        None where a place is free, or none can be won. A holder of the same seat comes first, then the one that is
        silent for longest (if it talks again, it gets a place back from a lower grade), then the lowest grade, then the
        quietest.
        """
        seen: set[int] = set()
        own = _grade(talker, all(holder.account != talker.account for holder in self._holders.values()), now)
        rival, best = None, (2, 0, 0.0)
        for stream, holder in self._holders.items():
            if holder.seat == talker.seat:
                return stream, False
            grade = _grade(holder, holder.account not in seen, now)
            seen.add(holder.account)
            if holder.silent_from <= now:
                standing = (0, 0, holder.silent_from)
            elif grade < own or (grade == own and stream != self.dominant):
                standing = (1, grade, holder.loudness)
            else:
                continue
            if standing < best:
                rival, best = stream, standing
        return (None, False) if len(self._holders) < self.limit else (rival, best[0] == 1 and best[1] < own)

    def _beats(self, stream: int, talker: _Talker, holder: _Talker, now: float) -> bool:
        if holder.silent_from <= now or stream == self.dominant:
            return True
        if talker.loudness < holder.loudness + MARGIN:
            talker.ahead_since = None
            return False
        if talker.ahead_since is None:
            talker.ahead_since = now
        return now - talker.ahead_since >= CHALLENGE and now - holder.held_since >= HOLD


def _grade(talker: _Talker, is_first: bool, now: float) -> int:
    """Return the grade, 0 to 3: talk is above what does not vary, the first place of an account above further ones."""
    return 2 * (talker.varied_until > now + ENOUGH_VARIED) + is_first
