"""What a resumed session goes on with: both sides count the messages of a session, and keep those to be sent again."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tcproto.messages import (
    Close,
    KeyframeRequest,
    MediaMove,
    Ping,
    Pong,
    Resumed,
    SessionKeys,
    Snapshot,
    Speakers,
    Welcome,
)

UNCOUNTED = frozenset(
    {Ping, Pong, Close, Welcome, Resumed, SessionKeys, MediaMove, Snapshot, Speakers, KeyframeRequest}
)
"""Messages that are not counted, and never sent again: what they tell is in ``resumed`` and in the snapshot behind it,
or is of that moment only."""
MAX_KEPT_BYTES = 256 * 1024
"""Bytes of the messages that each side keeps, encoded: those of a minute in a lively room. The oldest are forgotten."""


def is_counted(message: object) -> bool:
    """Tell whether a message that is sent or received after ``welcome`` is counted. Those of unknown types are."""
    return type(message) not in UNCOUNTED


class KeptMessage(NamedTuple):
    """A message that the other side may not have."""

    message: object
    request_id: int
    """0 for a notification."""
    size: int
    """Bytes of the message as it is encoded."""


class SentMessages:
    """The counted messages that one side of a session has sent. The newest of them are kept."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self.number = 0
        """Number of the newest message; 0 before the first."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: deque[KeptMessage] = deque()
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, message: object, request_id: int, size: int) -> None:
        """Count a message of ``size`` bytes, and keep it. Older ones are forgotten where there is no room."""
        self.number += 1
        self._bytes += size
        self._kept.append(KeptMessage(message, request_id, size))
        while self._bytes > self._max_bytes:
            self._forget_oldest()

    def forget(self, number: int) -> None:
        """Forget the messages up to a number: the other side has them."""
        while self._kept and self.number - len(self._kept) < number:
            self._forget_oldest()

    def mark(self, now: float, lifetime: float) -> None:
        """Note the time, and forget the messages that were sent ``lifetime`` seconds ago or earlier."""
        while self._marks and self._marks[0][0] <= now - lifetime:
            self.forget(self._marks.popleft()[1])
        self._marks.append((now, self.number))

    def has_after(self, number: int) -> bool:
        """Tell whether all messages after a number are kept. There are none after a number that was not reached."""
        return self.number - len(self._kept) <= number <= self.number

    def after(self, number: int) -> list[KeptMessage]:
        """Return the messages after a number, of which ``has_after`` is true."""
        return list(self._kept)[len(self._kept) - (self.number - number) :]

    def _forget_oldest(self) -> None:
        self._bytes -= self._kept.popleft().size
