"""When to enter a room again after a failure, and how long to wait before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import NamedTuple

from tcclient.errors import ClientError, ConnectError, JoinRefused, LoginRefused, RoomClosed
from tcproto.errors import Action, ErrorCode

FIRST_WAIT = 1.0
"""Seconds to wait after the first failure, if the server named no time. A busy machine does a few logins in it."""
MAX_WAIT = 30.0
"""Seconds of the longest wait (PROTOCOL.md, section 11)."""
JITTER = 0.5
"""Largest random part that is added to a wait, as a share of it (same section). It spreads clients in time."""
_AGAIN = (Action.RECONNECT, Action.RESUME)


class Retry(NamedTuple):
    """An attempt that is about to be made."""

    attempt: int
    """Number of the attempt. The first retry is 2."""
    wait: float
    """Seconds until the attempt."""
    error: ClientError
    """Error of the attempt before."""


RetryHook = Callable[[Retry], None]


RETURN_WAITS = (0.1, 0.5, 1.0)
"""Seconds of the first waits of a client that had a seat: most outages are short."""
RETURN_WAIT = 1.0
"""Seconds of the waits that follow, ``STEADY_RETURNS`` times: for as long as a server keeps the seat. With the random
part and a login of one second, everybody is back within 3 s after a server has started again."""
STEADY_RETURNS = 60


class Backoff:
    """Waits that double with each failure; ``random_bytes`` is like ``os.urandom``.

    ``known`` says that there was a server at this address at an earlier time. A server that was reached before, then or
    since the first attempt, is tried again even when it cannot be reached: it may be restarting, or its network may.
    """

    def __init__(self, random_bytes: Callable[[int], bytes], *, known: bool = False) -> None:
        self._random_bytes = random_bytes
        self._attempt = 1
        self._reached = known
        self._wait = FIRST_WAIT

    def failed(self, error: ClientError) -> Retry | None:
        """Return the next attempt after a failure; None if another attempt makes no sense.

        The wait is never shorter than the time that the server named.
        """
        self._reached = self._reached or not isinstance(error, ConnectError)
        if not may_retry(error) and not (self._reached and isinstance(error, ConnectError)):
            return None
        base = self._base(error.retry_after_ms / 1000)
        self._attempt += 1
        chance = int.from_bytes(self._random_bytes(2), "big") / 0xFFFF
        return Retry(self._attempt, base * (1 + JITTER * chance), error)

    def _base(self, told: float) -> float:
        """Return the wait without its random part; ``told`` is the time that the server named."""
        base = max(told, min(self._wait, MAX_WAIT))
        self._wait = 2 * base
        return base


class ReturnBackoff(Backoff):
    """The waits of a client that comes back: short while its seat may be kept, longer after that."""

    def __init__(self, random_bytes: Callable[[int], bytes], waits: Sequence[float] = RETURN_WAITS) -> None:
        super().__init__(random_bytes, known=True)
        self._wait = 4 * RETURN_WAIT
        self._waits = chain(waits, repeat(RETURN_WAIT, STEADY_RETURNS))

    def _base(self, told: float) -> float:
        wait = next(self._waits, None)
        return super()._base(told) if wait is None else max(told, wait)


def may_retry(error: ClientError) -> bool:
    """Tell whether the same attempt may succeed later without a decision of the user.

    It may if the server says so, by the action of its code or by a time; if the connection was lost; and if the server
    did not answer in time. An address without a server is more often wrong than too early, and is not tried again. Who
    was sent out of a room is told a time too, and yet does not come back by itself.
    """
    if error.code is ErrorCode.KICKED:
        return False
    if isinstance(error, ConnectError):
        return error.action is not Action.STOP
    if isinstance(error, LoginRefused | JoinRefused | RoomClosed):
        # A room that was closed and opened again between two steps is entered from the first step on.
        return error.action in _AGAIN or error.retry_after_ms > 0 or error.code is ErrorCode.ROOM_CHANGED
    return False
