"""Whether UDP works again, while the stream is in use."""

from __future__ import annotations

from tcclient.core.timers import NEVER
from tcproto.path import CHALLENGE_LIFETIME, PING_INTERVAL_CALL, PING_INTERVAL_LOST

STEADY = 3.0
"""Seconds in which each ping by UDP is answered, until UDP is used again: one that comes and goes is left alone."""
MAX_STEADY = 8.0
"""The most seconds of it: UDP that works is in use again within 15 s."""
DOUBTED_STEADY = 60.0
"""The same after UDP was answered and carried nothing else: its pongs prove little."""
RELAPSE = 60.0
"""Seconds after the return to UDP in which a new failure doubles the seconds of steadiness."""


class Probation:
    """Pings by UDP each second, and more often while the stream is lost too.

    A missing pong begins the count of steady seconds again.
    """

    def __init__(self) -> None:
        self.next_deadline = NEVER
        """When the next ping is due; ``NEVER`` while UDP is in use."""
        self.is_doubted = False
        """Whether pings have to be as large as a datagram may be: small ones prove little."""
        self._steady = STEADY
        self._ended_at = float("-inf")
        self._answered_since: float | None = None
        self._waits_for_pong = False
        self._challenge = b""
        self._challenged_at = 0.0

    def begin(self, now: float, *, doubted: bool = False) -> None:
        """UDP has failed, or is ``doubted``: it is answered, and carries nothing else."""
        relapsed = now < self._ended_at + RELAPSE
        self._steady = min(2 * self._steady, MAX_STEADY) if relapsed else STEADY
        self.is_doubted = doubted
        if doubted:
            self._steady = DOUBTED_STEADY
        self._answered_since, self._waits_for_pong, self._challenge = None, False, b""
        self.next_deadline = now + PING_INTERVAL_CALL

    def pinged(self, is_alone: bool, now: float) -> None:
        """Take note of a ping. ``is_alone`` says whether the way in use is lost, and so UDP the only hope."""
        if self._waits_for_pong:
            self._answered_since = None
        self._waits_for_pong = True
        self.next_deadline = now + (PING_INTERVAL_LOST if is_alone else PING_INTERVAL_CALL)

    def answered(self, now: float) -> bool:
        """Take note of a pong; return whether UDP is steady."""
        self._waits_for_pong = False
        if self._answered_since is None:
            self._answered_since = now
        return now - self._answered_since >= self._steady

    def challenged(self, token: bytes, now: float) -> None:
        """Keep a path challenge that came by UDP. The answer would move the seat there, so it waits for the end."""
        self._challenge, self._challenged_at = token, now

    def end(self, now: float) -> bytes:
        """UDP is used again. Return the challenge to answer, if there is one that the server may still know."""
        self._ended_at = now
        self.next_deadline = NEVER
        return self._challenge if now < self._challenged_at + CHALLENGE_LIFETIME else b""
