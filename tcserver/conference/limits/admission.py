"""Admission: how many are let in at a time, in total and by account or address."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.settings import Rate

MAX_WAIT = 10.0
"""Longest wait in seconds that a client is told. One that has no turn by then asks again."""
GRACE = 2.0
"""Seconds that a turn is kept for a late client, in addition to half of the wait, which clients add at random."""
MAX_SCOPES = 4096
"""Accounts and addresses whose buckets are kept. A bucket that is full again is not needed."""


class _Turn(NamedTuple):
    at: float
    until: float


class _Turns:
    """A token bucket with turns that were promised. A turn that was promised is kept."""

    __slots__ = ("_bucket", "_turns")

    def __init__(self, rate: Rate, now: float) -> None:
        self._bucket = TokenBucket(rate, now)
        self._turns: dict[Hashable, _Turn] = {}

    def is_idle(self, now: float) -> bool:
        """Tell whether the bucket is full, and nobody has a turn."""
        return self._fill(now) >= self._bucket.rate.burst and not self._turns

    def is_booked_out(self, who: Hashable) -> bool:
        """Tell whether as many others have a turn as may come at once, so that no account books the time of all."""
        return who not in self._turns and len(self._turns) >= self._bucket.rate.burst

    def earliest(self, who: Hashable, now: float) -> float:
        """Return when ``who`` may come: at the turn that was promised, now, or behind all other turns."""
        self._fill(now)
        turn = self._turns.get(who)
        return now + self._bucket.wait(1.0 + len(self._turns)) if turn is None else turn.at

    def take(self, who: Hashable) -> None:
        """Let ``who`` in, and end the turn of ``who``, if there is one."""
        self._turns.pop(who, None)
        self._bucket.spend()

    def promise(self, who: Hashable, at: float, now: float) -> None:
        """Keep a turn for ``who`` at a time."""
        self._turns[who] = _Turn(at, at + (at - now) / 2 + GRACE)

    def _fill(self, now: float) -> float:
        for who in [who for who, turn in self._turns.items() if turn.until < now]:
            del self._turns[who]
        # The limit of the burst must not take tokens away that were promised.
        return self._bucket.fill(now, self._bucket.rate.burst + len(self._turns))


class Admission:
    """Tells a client to come in, or how long to wait. A client that comes back after that time is let in.

    ``common`` is the rate of all clients. ``parts`` are the shares of it that one account or one address may use.
    """

    def __init__(self, common: Rate, parts: Mapping[str, float], now: float) -> None:
        self._common = _Turns(common, now)
        self._rates = {
            scope: Rate(common.per_second * part, max(1, round(common.burst * part))) for scope, part in parts.items()
        }
        self._buckets: dict[tuple[str, Hashable], _Turns] = {}

    def wait(self, who: Hashable, scopes: Mapping[str, Hashable], now: float) -> float:
        """Let ``who`` in and return 0, or return the seconds to wait, ``MAX_WAIT`` at most.

        ``scopes`` name the account, the address and so on. After a wait of ``MAX_WAIT`` there may be another.
        """
        parts = [self._bucket((scope, scopes[scope]), now) for scope in self._rates]
        buckets = [self._common, *parts]
        at = max(bucket.earliest(who, now) for bucket in buckets)
        if at <= now:
            for bucket in buckets:
                bucket.take(who)
            return 0.0
        if at - now >= MAX_WAIT or any(part.is_booked_out(who) for part in parts):
            return MAX_WAIT
        for bucket in buckets:
            bucket.promise(who, at, now)
        return at - now

    def _bucket(self, key: tuple[str, Hashable], now: float) -> _Turns:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_SCOPES:
                idle = [key for key, bucket in self._buckets.items() if bucket.is_idle(now)]
                for key in idle or [next(iter(self._buckets))]:
                    del self._buckets[key]
            bucket = self._buckets[key] = _Turns(self._rates[key[0]], now)
        return bucket
