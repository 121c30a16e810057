"""Follows the way up, and tells our publications what they may send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tcclient.core.downlink.data_meter import Saving
from tcclient.core.media.publications import Publications
from tcclient.core.path.egress import Egress
from tcclient.core.rate.allocation import LOW_RATE, Allocation, Demand, Rate, SendingLimit, SoundDemand, SoundRate
from tcclient.core.rate.uplink import UplinkRate
from tcclient.core.timers import NEVER
from tcproto.messages import Kind

OTHER_SOUND = SoundRate(25_200, 20).cost
"""Bits per second that are left for sound that its owner encodes."""
LOOK_INTERVAL = 0.5
"""Seconds between looks while no report comes. With each report there is another."""
MEDIA_SHARE = 0.96
"""Share of the way that is for new media: the rest is for pings, beacons and requests, and encoders are not exact. With
more, pictures would wait here until some are left out."""
FIRST_LOOK_UP = 1.0
"""Seconds for which something is lowered until the way is tried for more, as long as it was never congested."""
LOOK_UP_INTERVAL = 8.0
"""The same after it was."""
LONGEST_INTERVAL = 120.0
"""The same after one try after the other has congested it: each wait is twice as long as the one before."""


LIMIT_TOLD = 5.0
"""Seconds for which something limits what we send, or nothing does, until that is told: a call begins with little."""


class UplinkSharing:
    """Divides the way up among the publications that adapt, and paces what leaves.

    ``tell`` gets what changes, ``tell_limit`` what has limited us for a while, None where nothing does any more.
    """

    def __init__(
        self,
        uplink: UplinkRate,
        publications: Publications,
        egress: Egress,
        tell: Callable[[int, Rate], None],
        tell_limit: Callable[[SendingLimit | None], None],
    ) -> None:
        self.next_deadline = NEVER
        """When ``update`` is due."""
        self.saving = Saving.NOTHING
        """What is given up to save data, from the next ``update`` on."""
        self._uplink = uplink
        self._publications = publications
        self._egress = egress
        self._tell = tell
        self._tell_limit = tell_limit
        self._allocation = Allocation()
        self._limit: SendingLimit | None = None
        self._limit_since = 0.0
        self._told_limit: SendingLimit | None = None
        self._looked_up_at = 0.0
        self._patience = FIRST_LOOK_UP
        """Seconds until the way is tried again."""
        self._is_trying = False
        """Whether the last try has done no harm yet."""

    def receive(self, value: bytes, now: float) -> None:
        """Take an arrival report; raises ``ValueError`` where it is malformed."""
        self._uplink.receive(value, now)
        self.update(now)

    def update(self, now: float) -> None:
        """Divide anew."""
        demands = self._demands()
        pictures = [p for p in self._publications.live.values() if p.kind is Kind.VIDEO]
        adapts = all(p.demand is not None for p in pictures)
        self._egress.pace = self._uplink.allowed if adapts else None  # else more and more would wait here
        for number, rate in self._allocation.divide(self._usable(), demands, now, self._publications.copies).items():
            self._tell(number, rate)
        if self.saving:
            self._look_at_limit(None, now)  # why less is sent is told otherwise
        else:
            self._look_up(now)
            self._look_at_limit(self._allocation.limit, now)
        self.next_deadline = now + LOOK_INTERVAL if demands or self._told_limit else NEVER

    def _look_at_limit(self, limit: SendingLimit | None, now: float) -> None:
        if limit is not self._limit:
            self._limit, self._limit_since = limit, now
        if limit is not self._told_limit and now >= self._limit_since + LIMIT_TOLD:
            self._told_limit = limit
            self._tell_limit(limit)

    def _look_up(self, now: float) -> None:
        """Try the way for more if something is lowered. A try that congests it makes the next one wait."""
        if self._is_trying and self._uplink.estimator.is_congested:
            self._is_trying = False
            self._patience = min(LONGEST_INTERVAL, max(LOOK_UP_INTERVAL, 2 * self._patience))
        if self._allocation.is_short and now - self._looked_up_at >= self._patience:
            if self._is_trying:
                self._patience = min(self._patience, LOOK_UP_INTERVAL)
            self._looked_up_at, self._is_trying = now, True
            self._uplink.look_up()

    def first(self, demand: Demand, now: float) -> Rate:
        """Return how another publication would begin."""
        return Allocation().divide(self._usable(), self._demands() | {0: demand}, now)[0]

    def _demands(self) -> dict[int, Demand]:
        demands = {number: p.demand for number, p in self._publications.live.items() if p.demand is not None}
        return {number: _unwanted(demand) for number, demand in demands.items()} if self.saving else demands

    def _usable(self) -> float | None:
        """Return the bits per second for what is sent once: what is lost is sent again."""
        if self.saving is Saving.ALL:
            return 0.0
        bitrate = self._uplink.allowed
        if bitrate is None:
            return None
        live = self._publications.live.values()
        fixed = [p for p in live if p.demand is None and p.kind is Kind.AUDIO and not p.muted]
        others = sum(OTHER_SOUND if not p.low_rate_of else LOW_RATE.cost * p.is_wanted for p in fixed)
        return max(0.0, MEDIA_SHARE * bitrate * (1 - self._uplink.estimator.loss) - others)


def _unwanted(demand: Demand) -> Demand:
    """Return a demand that nothing is sent for, if it is one of pictures."""
    if isinstance(demand, SoundDemand):
        return demand
    return replace(demand, wanted=(False,) * len(demand.bitrates))
