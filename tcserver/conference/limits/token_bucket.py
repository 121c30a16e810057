"""Token buckets on the monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping

from tcserver.conference.settings import MessageClass, Rate


class TokenBucket:
    """Lets ``rate.burst`` through at once and ``rate.per_second`` on average."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._filled_at = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        elapsed = max(0.0, now - self._filled_at)
        self._tokens = min(float(self._rate.burst), self._tokens + elapsed * self._rate.per_second)
        self._filled_at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate.per_second


class Limiter:
    """The buckets of one connection."""

    def __init__(self, rates: Mapping[MessageClass, Rate], total: Rate, now: float) -> None:
        self._rates = rates
        self._total = TokenBucket(total, now)
        self._buckets: dict[MessageClass, TokenBucket] = {}

    def flooded(self, now: float) -> float:
        """Count a message of any class and return 0, or the seconds until one is allowed, of who sends too many."""
        return self._total.take(now)

    def wait(self, message_class: MessageClass, now: float) -> float:
        """Count a message of a class and return 0, or return the seconds until one is allowed."""
        bucket = self._buckets.get(message_class)
        if bucket is None:
            bucket = self._buckets[message_class] = TokenBucket(self._rates[message_class], now)
        return bucket.take(now)
