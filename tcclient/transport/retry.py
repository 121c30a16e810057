"""When the way into a room is tried again, and how long to wait before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tcclient.errors import ClientError, ConnectError, JoinRefused, LoginRefused, RoomClosed
from tcproto.errors import Action

FIRST_WAIT = 1.0
"""Seconds to wait after the first failure, where the server named no time: a few logins of a busy machine."""
MAX_WAIT = 30.0
"""Seconds to which waits grow (PROTOCOL.md, section 11)."""
JITTER = 0.5
"""Share of each wait that is added by chance at most (there, too), so that those sent away together come one by one."""
_AGAIN = (Action.RECONNECT, Action.RESUME)


class Retry(NamedTuple):
    """A further attempt, before it is made."""

    attempt: int
    """Which one it will be: the first further one is 2."""
    wait: float
    """Seconds until then."""
    error: ClientError
    """Why the one before failed."""


RetryHook = Callable[[Retry], None]


class Backoff:
    """Waits that double from failure to failure; ``random_bytes`` is like ``os.urandom``.

    ``known``: there was a server at this address at an earlier time. One that was there, then or since the first
    attempt, and cannot be reached now, starts again, or its network does: that is tried again, too.
    """

    def __init__(self, random_bytes: Callable[[int], bytes], *, known: bool = False) -> None:
        self._random_bytes = random_bytes
        self._attempt = 1
        self._reached = known
        self._wait = FIRST_WAIT

    def failed(self, error: ClientError) -> Retry | None:
        """Return the next attempt after a failure; None where there is to be none.

        A time that the server named is never undercut.
        """
        self._reached = self._reached or not isinstance(error, ConnectError)
        if not may_retry(error) and not (self._reached and isinstance(error, ConnectError)):
            return None
        told = error.retry_after_ms / 1000
        base = max(told, min(self._wait, MAX_WAIT))
        self._attempt += 1
        self._wait = 2 * base
        chance = int.from_bytes(self._random_bytes(2), "big") / 0xFFFF
        return Retry(self._attempt, base * (1 + JITTER * chance), error)


def may_retry(error: ClientError) -> bool:
    """Whether the same attempt may succeed later, without a person's decision.

    So says the action of the server's code, or a time that it named; a connection that was lost without a word; and a
    server that did not answer in time. An address at which there is no server, and was none before, is more often wrong
    than too early.
    """
    if isinstance(error, ConnectError):
        return error.action is not Action.STOP
    if isinstance(error, LoginRefused | JoinRefused | RoomClosed):
        return error.action in _AGAIN or error.retry_after_ms > 0
    return False
