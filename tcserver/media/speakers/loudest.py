"""Which talkers of a room are forwarded: the loudest few, before fan-out.

Levels are claims: end-to-end encrypted audio cannot be measured here. So a talker has a *grade*, and the slot of one of
a lower grade is won at once, whoever is louder. Who says nothing (its level does not vary, be it a hum or a lie) is
graded below who talks; and what an account holds beside its first slot below what others want: three clients of one
account have three slots only while nobody else needs any.

Each audio stream contends for one of a few *slots*, with packets that have voice. A slot that is free, or whose holder
has fallen silent, is won at once; one whose holder talks only by being clearly louder for a while. A holder keeps its
slot through silence until somebody needs it, so that pauses cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from tcproto.packet import SPEECH_LEVEL
from tcserver.media.speakers.dominance import MAX_LEVEL

SMOOTHING = 0.5
"""Weight of the newest packet in the loudness."""
RELEASE = 8.0
"""dB per second by which the loudness fades: phrases are compared, not the vowels of one with consonants of another."""
EXPIRY = 0.15
"""Seconds without voice after which a holder counts as silent."""
FADE = 25.0
"""dB below the loudness of the last syllables: what is softer is a pause, though a detector may still call it voice."""
PAUSE = 0.3
"""Seconds of such a pause after which a holder counts as silent: those between words are shorter."""
HOLD = 0.5
"""Seconds for which a slot, once won, is safe from louder talkers, and from a pause."""
MARGIN = 6.0
"""dB that make a talker clearly louder: twice the amplitude."""
VARIATION = 6
"""dB between two levels that tell something: syllables and the gaps between them differ by more than twice as much."""
VARIED = 1.0
"""Seconds for which one variation counts: speech varies several times in a second."""
ENOUGH_VARIED = 2.0
"""Seconds for which more than this must count for a talker to be taken for one: three variations, a word or two."""
MOST_VARIED = 10.0
"""Seconds for which variations count at most: through the pauses of somebody who talks."""
CHALLENGE = 0.1
"""Seconds for which a talker has to be clearly louder, so that a cough takes no slot; pre-roll makes up for it."""


def contends(level: int, voice: bool) -> bool:
    """Whether a packet of this level (in -dBov) and voice flag is one with voice."""
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
        """Each variation puts it off by ``VARIED``; it is talk as long as ``ENOUGH_VARIED`` are left."""
        self.smoothed = 0.0
        self.loudness = 0.0
        """dB above silence: follows the smoothed level up, and fades slowly."""
        self.heard_at = self.loud_at = self.silent_from = now
        self.held_since = now
        """When the slot was won."""
        self.ahead_since: float | None = None
        """Since when it is clearly louder than the quietest holder."""


class Loudest:
    """The contest of one room. No seat holds two slots."""

    __slots__ = ("_holders", "_talkers", "always", "changed", "dominant", "limit")

    def __init__(self) -> None:
        self.limit = 0
        """Slots; 0: all are forwarded."""
        self.dominant: int | None = None
        """Stream of the dominant speaker: while it talks, it gets and keeps a slot whoever is louder."""
        self.changed = True
        """Whether the holders may have changed since whoever follows them has set it back."""
        self.always: frozenset[int] = frozenset()
        """Seats that are forwarded whatever their level."""
        self._talkers: dict[int, _Talker] = {}
        self._holders: dict[int, _Talker] = {}

    @property
    def holders(self) -> tuple[int, ...]:
        """Streams that hold a slot."""
        return tuple(self._holders)

    def configure(self, limit: int, always: Collection[int]) -> None:
        """Set the number of slots, and the seats that are forwarded whatever their level, without a slot."""
        self.limit = limit
        self.changed = True
        self.always = frozenset(always)
        for stream, talker in list(self._holders.items()):
            if talker.seat in self.always:
                del self._holders[stream]
        # Who spoke last stays.
        for stream, _ in sorted(self._holders.items(), key=lambda holder: holder[1].silent_from)[: -limit or None]:
            del self._holders[stream]

    def forget(self, stream: int) -> None:
        """A stream was closed or muted: its slot is free."""
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
        """Whether a talker without a slot wins one."""
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
        """Return the holder whose slot a talker has to win, and whether it is of a lower grade.

        None where a slot is free, or none can be won. That of the same seat first; then who is silent, longest of them,
        since whoever talks again gets a slot back from a lower grade; then the lowest grade; then the quietest.
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
    """Return 0 to 3: talk stands above what does not vary, the first slot of an account above further ones."""
    return 2 * (talker.varied_until > now + ENOUGH_VARIED) + is_first
