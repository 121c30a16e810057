"""Who speaks, by the voice flag and the level in the headers of sound that opened.

The server is not asked: it could point at another speaker, or hide a speaker.
"""

from __future__ import annotations

from tcproto.packet import SPEECH_LEVEL, AudioHeader

HOLD = 0.4
"""Seconds for which a participant counts as speaking after its last packet of speech: the pauses between words."""
MUTE_GRACE = 1.0
"""Seconds for which packets of a track may still arrive after the track was muted, since they were on the way. If they
go on for so long after that, the track is shown as not muted."""
NEVER = float("inf")


def is_speech(header: AudioHeader) -> bool:
    """Return whether a packet of sound is speech."""
    return not header.comfort and (header.voice or header.level <= SPEECH_LEVEL)


class Speaking:
    """Who speaks now, and who is dominant.

    The dominant speaker is the one that has spoken longest of those that speak. After it has stopped, it stays dominant
    until another one speaks.
    """

    def __init__(self) -> None:
        self.dominant = 0
        """Participant; 0 before anybody spoke."""
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due, or earlier."""
        self._until: dict[int, float] = {}
        """When each speaker ends, in the order in which they began."""

    @property
    def now(self) -> tuple[int, ...]:
        """Participants that speak, in the order in which they began."""
        return tuple(self._until)

    def heard(self, participant: int, header: AudioHeader, now: float) -> bool:
        """Take a packet; tell whether its speaker begins with it."""
        if not is_speech(header):
            return False
        begins = participant not in self._until
        self._until[participant] = now + HOLD
        if begins:
            self.next_deadline = min(self.next_deadline, now + HOLD)
            if self.dominant not in self._until:
                self.dominant = participant
        return begins

    def left(self, participant: int) -> bool:
        """Somebody is gone; tell whether it spoke."""
        spoke = self._until.pop(participant, None) is not None
        self._choose()
        if participant == self.dominant:
            self.dominant = 0
        return spoke

    def handle_timeout(self, now: float) -> tuple[int, ...]:
        """Return the participants that have stopped speaking."""
        if now < self.next_deadline:
            return ()
        stopped = tuple(i for i, until in self._until.items() if now >= until)
        for participant in stopped:
            del self._until[participant]
        self.next_deadline = min(self._until.values(), default=NEVER)
        self._choose()
        return stopped

    def _choose(self) -> None:
        if self.dominant not in self._until and self._until:
            self.dominant = next(iter(self._until))


class Unmuted:
    """Tracks that the server calls muted, and that send packets all the same."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, int], float] = {}
        """By participant and publication number: until when packets of a muted track prove nothing."""
        self._coming: dict[tuple[int, int], tuple[float, float]] = {}
        """The first and the newest packet since then of a row without a gap."""
        self._found: set[tuple[int, int]] = set()

    def said(self, track: tuple[int, int], muted: bool, now: float) -> None:
        """The server says whether a track is muted."""
        if not muted:
            self.ended(track)
        else:
            self._ends.setdefault(track, now + MUTE_GRACE)

    def ended(self, track: tuple[int, int]) -> None:
        """A track has ended, or is not called muted any more."""
        self._ends.pop(track, None)
        self._coming.pop(track, None)
        self._found.discard(track)

    def came(self, track: tuple[int, int], now: float) -> bool:
        """A packet of a track opened; tell whether it is now found not to be muted, once.

        A burst is no proof: a server may send pictures again that are older than the mute.
        """
        if track not in self._ends or track in self._found or now < self._ends[track]:
            return False
        first, newest = self._coming.get(track, (now, now))
        if now > newest + MUTE_GRACE:
            first = now
        self._coming[track] = (first, now)
        if now < first + MUTE_GRACE:
            return False
        self._found.add(track)
        return True
