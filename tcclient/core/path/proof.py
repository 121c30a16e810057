"""Whether the way that is in use works: when it is pinged, and what its silence means."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tcclient.core.timers import NEVER
from tcproto.path import (
    PATH_SILENCE,
    PING_INTERVAL_CALL,
    PING_INTERVAL_IDLE,
    PING_INTERVAL_LOST,
    PING_INTERVAL_SILENT,
    PING_PATIENCE,
    SPEECH_PATIENCE,
)

PROOF_INTERVALS = (0.2, 0.3, 0.5)
"""Seconds between the first pings. One of them may be lost. The last interval repeats."""
QUICK_INTERVALS = (0.1, 0.1, 0.2)
"""The same where there is another way. The fourth ping asks that, and two of those before may be lost."""
PROOF_TIMEOUT = 5.0
"""Seconds without an answer to the first pings after which a way counts as blocked, and pings come as in a call."""


class Way(StrEnum):
    """How datagrams travel."""

    UDP = "udp"
    STREAM = "stream"
    """In the WebSocket of the control connection, where UDP is blocked."""


class PathState(StrEnum):
    """State of the way in use."""

    UNKNOWN = "unknown"
    """Being proved."""
    OK = "ok"
    """Proved in both directions."""
    LOST = "lost"
    """No answer; pings go on."""


class Patience(NamedTuple):
    """How long a way may be silent until it counts as lost; times in seconds."""

    proof: float
    """From the first ping, if nothing was ever answered."""
    silence: float
    """From the first ping that was not answered, on a way that worked; a round trip more where answers are needed."""
    needs_answers: bool
    """Whether only a pong ends the silence. Otherwise any datagram does."""
    intervals: tuple[float, ...] = PROOF_INTERVALS
    """Between the first pings, until one is answered; the last interval repeats."""


PATIENT = Patience(PROOF_TIMEOUT, PATH_SILENCE, needs_answers=False)
"""For a way without another beside it: to give it up gains nothing."""
IMPATIENT = Patience(0.8, 1.5, needs_answers=True, intervals=QUICK_INTERVALS)
"""For UDP where the stream is there. Where UDP is blocked, sound begins within 2 s from the start of the connection.
Later it stops for 3 s at most, with the second until the next ping and the round trips that prove the stream. Room
datagrams show only that the way down works; a pong needs both."""


LARGE_TRIES = 6
"""Large pings without an answer, with small ones answered in between, until large datagrams count as stopped. At a loss
of 20 % each way this is wrong once in 500 times."""


class LargeProof:
    """Whether datagrams of the greatest size get through UDP: every other ping is as long, until one is answered.

    Some tunnels drop what is too long for them, and do not say so. Sound passes there, pictures never come.
    """

    def __init__(self) -> None:
        self._is_proved = False
        self._is_next = False
        self._missed = 0
        self._small_answered = 0

    @property
    def is_stopped(self) -> bool:
        """Whether large datagrams do not get through, though small ones do."""
        return self._missed >= LARGE_TRIES and self._small_answered >= LARGE_TRIES // 2

    def take(self) -> bool:
        """Return whether the ping that is sent now is to be large; it counts as missed until it is answered."""
        self._is_next = not (self._is_next or self._is_proved or self.is_stopped)
        self._missed += self._is_next
        return self._is_next

    def answered(self, large: bool) -> None:
        """Take note of the answer to a ping."""
        self._is_proved |= large
        if large:
            self._missed = 0
        else:
            self._small_answered += 1


class Proof:
    """The state of a way, from what was sent and heard there. The first ping is due at ``now``."""

    def __init__(self, patience: Patience, now: float) -> None:
        self.state = PathState.UNKNOWN
        self._ping_at = now
        """When the next ping is due, unless speech is missed before."""
        self._patience = patience
        self._began = NEVER
        """When the first ping was sent."""
        self._pings = 0
        self._pinged_at = 0.0
        self._silent_since: float | None = None
        """When the first ping was sent since anything came."""
        self._on_call = True
        self._heard_at = now
        self._speech = False
        """Whether the next datagram is expected within ``SPEECH_PATIENCE``."""
        self._missed = False
        """Whether that one is missing."""
        self._rtt = 0.0

    @property
    def next_deadline(self) -> float:
        """When the next ping is due."""
        return min(self._ping_at, self._heard_at + SPEECH_PATIENCE) if self._speech else self._ping_at

    def expire(self, rtt: float | None, now: float) -> None:
        """Notice that the way is lost; to be called before a ping that is due. ``rtt`` is in seconds, if known."""
        self._rtt = rtt or 0.0
        silent = 0.0 if self._silent_since is None else now - self._silent_since
        limit = self._patience.silence + (self._rtt if self._patience.needs_answers else 0.0)
        if (self.state is PathState.OK and silent >= limit) or (
            self.state is PathState.UNKNOWN and now >= self._began + self._patience.proof
        ):
            self.state = PathState.LOST

    def is_late(self, rtt: float, now: float) -> bool:
        """Return whether the next ping may ask another way, where a round trip takes ``rtt`` seconds.

        A way that works has answered one of the first pings after two round trips. If it has not, the way that answers
        first is used, as RFC 8305 does it with addresses (section 5).
        """
        return (
            self.state is PathState.UNKNOWN
            and self._pings >= len(self._patience.intervals)
            and now >= self._began + 2 * rtt
        )

    def pinged(self, on_call: bool, now: float) -> None:
        """Take note of a ping. ``on_call`` says whether anything is published or subscribed."""
        self._on_call = on_call
        if not self._pings:
            self._began = now
        self._pings += 1
        self._pinged_at = now
        if self._silent_since is None:
            self._silent_since = now
        if self._speech and now >= self._heard_at + SPEECH_PATIENCE:
            self._speech, self._missed = False, True
        self._ping_at = now + self._interval()
        if self.state is PathState.UNKNOWN and now < (limit := self._began + self._patience.proof):
            self._ping_at = min(self._ping_at, limit)

    def expect(self, speech: bool) -> None:
        """Take note of whether speech goes on, so that its next datagram comes within ``SPEECH_PATIENCE``."""
        self._speech = speech and self.state is PathState.OK

    def hear(self, now: float) -> None:
        """Take note of a datagram that came this way and opened."""
        self._heard_at, self._missed = now, False
        if not self._patience.needs_answers:
            self._end_silence()

    def prove(self, now: float) -> None:
        """Take note of an answer: both directions work."""
        self._end_silence()
        if self.state is not PathState.OK:
            self.state = PathState.OK
            self._silent_since = None
            self._ping_at = min(self._ping_at, now + PING_INTERVAL_CALL)

    def _end_silence(self) -> None:
        if self._silent_since is not None and self.state is not PathState.UNKNOWN:
            self.state = PathState.OK
            self._silent_since = None
            self._ping_at = self._pinged_at + self._interval()

    def _interval(self) -> float:
        """Return the seconds from the latest ping to the next one."""
        if self.state is PathState.UNKNOWN:
            intervals = self._patience.intervals
            return intervals[min(self._pings, len(intervals)) - 1]
        if self.state is PathState.LOST:
            return PING_INTERVAL_LOST
        if self._silent_since is None:
            return PING_INTERVAL_CALL if self._on_call else PING_INTERVAL_IDLE
        if self._missed:
            return max(PING_INTERVAL_SILENT, self._rtt)
        return PING_PATIENCE if self._pinged_at < self._silent_since + PING_PATIENCE else PING_INTERVAL_SILENT
