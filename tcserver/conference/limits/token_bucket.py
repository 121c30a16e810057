"""Token buckets on the monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping

from tcserver.conference.settings import MessageClass, Rate


class TokenBucket:
    """Lets ``rate.burst`` tokens through at once and ``rate.per_second`` on average; the rate may change at any time.

    The rate caps of the media plane (``RateCap``) do not use it: they count bits and packets together, for each packet.
    """

    __slots__ = ("_filled_at", "_tokens", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._tokens = float(rate.burst)
        self._filled_at = now

    def fill(self, now: float, most: float | None = None) -> float:
        """Add the tokens since the last call, up to ``most`` (None: the burst), and return how many there are."""
        elapsed = max(0.0, now - self._filled_at)
        limit = float(self.rate.burst) if most is None else max(most, self._tokens)
        self._tokens = min(limit, self._tokens + elapsed * self.rate.per_second)
        self._filled_at = now
        return self._tokens

    def spend(self, tokens: float = 1.0) -> None:
        """Take tokens, also more than there are."""
        self._tokens -= tokens

    def wait(self, tokens: float) -> float:
        """Return the seconds from the last ``fill`` until there are so many tokens; 0: there are."""
        return max(0.0, (tokens - self._tokens) / self.rate.per_second)

    def take(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens, at most the burst, and return 0, or return the seconds until there are as many."""
        tokens = min(tokens, self.rate.burst)
        if self.fill(now) >= tokens:
            self.spend(tokens)
            return 0.0
        return self.wait(tokens)


class ConnectionBuckets:
    """The buckets of one connection: one for each class of messages, and one for all of them."""

    def __init__(self, rates: Mapping[MessageClass, Rate], total: Rate, now: float) -> None:
        self._rates = rates
        self._total = TokenBucket(total, now)
        self._buckets: dict[MessageClass, TokenBucket] = {}

    def flooded(self, now: float) -> float:
        """Count a message of any class and return 0, or return the seconds until one is allowed."""
        return self._total.take(now)

    def wait(self, message_class: MessageClass, now: float, tokens: int = 1) -> float:
        """Count a message of a class and return 0, or return the seconds until one is allowed.

        It counts as so many ``tokens``.
        """
        bucket = self._buckets.get(message_class)
        if bucket is None:
            bucket = self._buckets[message_class] = TokenBucket(self._rates[message_class], now)
        return bucket.take(now, tokens)
