"""The UDP path of a seat: the address that has proved that it gets what is sent there."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from tcproto.path import CHALLENGE_LIFETIME, PATH_TOKEN_SIZE, PING_INTERVAL_IDLE
from tcserver.media.interface import Address

AMPLIFICATION = 3
"""An unproven address is sent at most so many times the bytes that came from it (RFC 9000, section 8.1)."""
CHALLENGE_INTERVAL = 0.2
"""Seconds between two challenges to a seat: one round trip of most networks."""
MOVE_INTERVAL = 2.0
"""Seconds between two moves of a seat from address to address: each changes the forwarding of its whole room."""
SILENCE = 8.0
"""Seconds without a datagram after which the others are told: one of two pings of an idle client may be lost."""
PATH_TIMEOUT = 3 * PING_INTERVAL_IDLE
"""Seconds without a datagram after which a path is lost: clients ping at least every ``PING_INTERVAL_IDLE``.

After that nothing is sent there: the address may belong to somebody else by then.
"""


class PathState(Enum):
    """What is known of a path."""

    UNKNOWN = auto()
    OK = auto()
    LOST = auto()


class PathChange(StrEnum):
    """What has happened to a path."""

    PROVEN = "proven"
    """for the first time"""
    MOVED = "moved"
    """to another address"""
    BACK = "back"
    """proven again after it was lost"""
    LOST = "lost"


class Proof(NamedTuple):
    """The proof that an address gets what is sent there."""

    change: PathChange
    rtt: float | None
    """Seconds from the challenge to its answer; None where it was sent more than once."""


_PROVEN = {
    PathState.UNKNOWN: PathChange.PROVEN,
    PathState.OK: PathChange.MOVED,
    PathState.LOST: PathChange.BACK,
}


class _Candidate:
    """An address that authentic datagrams came from, and that has not proved itself yet."""

    __slots__ = ("address", "challenged", "challenges", "expires", "received", "sent", "token")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.received = 0
        self.sent = 0
        self.token = b""
        self.expires = 0.0
        self.challenged = 0.0
        self.challenges = 0
        """How often the token was sent."""


class Path:
    """The proven address of a seat, and at most one candidate to replace it."""

    __slots__ = ("_candidate", "_next_challenge", "address", "heard_at", "is_silent", "rtt", "state")

    def __init__(self) -> None:
        self.state = PathState.UNKNOWN
        self.address: Address | None = None
        """The proven address; None unless the state is ``OK``."""
        self.heard_at = 0.0
        """When the last datagram came from the proven address."""
        self.is_silent = False
        """Whether nothing came from there for ``SILENCE``, as of the last look."""
        self.rtt: float | None = None
        """Seconds of a round trip when an address was proved last; None: not known."""
        self._candidate: _Candidate | None = None
        self._next_challenge = 0.0

    def hear(self, address: Address, size: int, newest: bool, now: float) -> None:
        """Note an authentic datagram of ``size`` bytes; only the ``newest`` one may bring another address."""
        if address == self.address:
            self.address = address  # readers may have made an equal object; the same one is found sooner
            self.heard_at = now
            return
        candidate = self._candidate
        if candidate is None or candidate.address != address:
            if not newest:
                return
            candidate = self._candidate = _Candidate(address)
        candidate.received += size

    def challenge(self, now: float, random_bytes: Callable[[int], bytes]) -> tuple[Address, bytes] | None:
        """Return the address to challenge now, and the token; None where no challenge is due."""
        candidate = self._candidate
        if candidate is None or now < self._next_challenge:
            return None
        if now >= candidate.expires:
            candidate.token = random_bytes(PATH_TOKEN_SIZE)
            candidate.expires = now + CHALLENGE_LIFETIME
            candidate.challenges = 0
        candidate.challenged = now
        candidate.challenges += 1
        self._next_challenge = now + CHALLENGE_INTERVAL
        return candidate.address, candidate.token

    def respond(self, address: Address, token: bytes, now: float) -> Proof | None:
        """Take the response to a challenge; return what it proves about ``address``; None: nothing."""
        candidate = self._candidate
        if candidate is None or candidate.address != address or candidate.token != token or now >= candidate.expires:
            return None
        change = _PROVEN[self.state]
        self.state = PathState.OK
        self.address = address
        self.heard_at = now
        self._candidate = None
        if change is PathChange.MOVED:
            self._next_challenge = now + MOVE_INTERVAL
        # The answer does not tell which of several challenges it is for.
        rtt = now - candidate.challenged if candidate.challenges == 1 else None
        self.rtt = self.rtt if rtt is None else rtt
        return Proof(change, rtt)

    def spend(self, address: Address, size: int) -> bool:
        """Return whether ``size`` bytes may be sent to an address, and if so count them."""
        if address == self.address:
            return True
        candidate = self._candidate
        if candidate is None or candidate.address != address:
            return False
        if candidate.sent + size > AMPLIFICATION * candidate.received:
            return False
        candidate.sent += size
        return True

    def pardon(self, seconds: float, now: float) -> None:
        """Do not count the last ``seconds`` as silence: nothing could be heard in them."""
        self.heard_at = min(now, self.heard_at + seconds)

    def look(self, now: float) -> bool:
        """Look whether the proven address is silent; return whether that has changed."""
        before = self.is_silent
        self.is_silent = self.state is not PathState.UNKNOWN and now - self.heard_at >= SILENCE
        return self.is_silent is not before

    def lose(self, now: float) -> bool:
        """Give the path up if nothing came for too long; return whether it was given up now."""
        if self.state is not PathState.OK or now - self.heard_at < PATH_TIMEOUT:
            return False
        self.state = PathState.LOST
        self.address = None
        return True
