"""How many are let in at a time: a part for each of those who ask, before what all have together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.settings import Rate

MAX_WAIT = 10.0
"""Seconds that somebody is told to wait at most; who cannot have a turn by then is told this, and asks again."""
GRACE = 2.0
"""Seconds that a turn is kept for who is late, beside half of the wait, which clients add by chance."""
MAX_SCOPES = 4096
"""Accounts and addresses whose buckets are kept; a bucket that is full again needs none."""


class _Turn(NamedTuple):
    at: float
    until: float


class _Turns:
    """A token bucket of which turns are promised; what was promised is kept, and takes no token from anybody else."""

    __slots__ = ("_bucket", "_turns")

    def __init__(self, rate: Rate, now: float) -> None:
        self._bucket = TokenBucket(rate, now)
        self._turns: dict[Hashable, _Turn] = {}

    def is_idle(self, now: float) -> bool:
        """Whether the bucket is full, and nobody has a turn."""
        return self._fill(now) >= self._bucket.rate.burst and not self._turns

    def is_booked_out(self, who: Hashable) -> bool:
        """Whether so many others have a turn as may come at once: no account books the time of all."""
        return who not in self._turns and len(self._turns) >= self._bucket.rate.burst

    def earliest(self, who: Hashable, now: float) -> float:
        """Return when ``who`` may come: the turn that was promised, now, or behind everybody else's turn."""
        self._fill(now)
        turn = self._turns.get(who)
        return now + self._bucket.wait(1.0 + len(self._turns)) if turn is None else turn.at

    def take(self, who: Hashable) -> None:
        """Let somebody in, whose turn is over with that."""
        self._turns.pop(who, None)
        self._bucket.spend()

    def promise(self, who: Hashable, at: float, now: float) -> None:
        """Keep a turn for somebody, who comes back."""
        self._turns[who] = _Turn(at, at + (at - now) / 2 + GRACE)

    def _fill(self, now: float) -> float:
        for who in [who for who, turn in self._turns.items() if turn.until < now]:
            del self._turns[who]
        # What has been promised is not lost to the limit of the burst.
        return self._bucket.fill(now, self._bucket.rate.burst + len(self._turns))


class Admission:
    """Tells who may come now and who has to wait how long; who comes back then is let in.

    ``common`` is the rate of all, ``parts`` the part of it that one of a scope (an account, an address) may use.
    """

    def __init__(self, common: Rate, parts: Mapping[str, float], now: float) -> None:
        self._common = _Turns(common, now)
        self._rates = {
            scope: Rate(common.per_second * part, max(1, round(common.burst * part))) for scope, part in parts.items()
        }
        self._buckets: dict[tuple[str, Hashable], _Turns] = {}

    def wait(self, who: Hashable, scopes: Mapping[str, Hashable], now: float) -> float:
        """Let ``who`` in and return 0, or return the seconds after which they come in, ``MAX_WAIT`` at most.

        ``scopes`` name their account and so on. Who is told ``MAX_WAIT`` may have to wait again.
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
