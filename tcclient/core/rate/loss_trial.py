"""Whether a link has begun to lose packets by chance: less is sent for a while, and as much is lost."""

from __future__ import annotations

from tcclient.core.rate.arrivals import LOSS_SPAN, RATE_SPAN

LESS = 0.5
"""Share of what came that is sent in a trial. So much comes through where a queue or a policer drops the rest."""
NEAR = 1.2
"""Times of that which count as so little: a moment has more."""
AS_MUCH = 1 / 3
"""Share of the loss before, from which as much is lost. It was much just then, or nobody would have looked."""
LEAST_PACKETS = 30
"""Packets that tell it, at least."""
MOST_LOST = 0.5
"""Share of packets. Where more are lost, the rate has to fall further."""
REFUTED_FOR = 60.0
"""Seconds without another trial after one has shown that the loss comes from the rate."""
NEVER = float("-inf")


class LossTrial:
    """Finds out where a loss comes from that is new, while nothing waits.

    The rate falls because of that loss. For ``RATE_SPAN`` it does not fall below what comes, and afterwards not below
    ``LESS`` of what came by then. If the loss lasts, the rate falls to that in any case. What is lost there for
    ``LOSS_SPAN`` is lost by chance. ``bound``: bits per second, below which ``least`` is never.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self.least = 0.0
        """Bits per second that may be sent at least; 0: no trial goes on."""
        self.most = float("inf")
        """Bits per second that may be sent at most."""
        self.came = 0.0
        """Bits per second that came when the last one began, and may come again if the loss is one by chance."""
        self._is_measured = False
        """Whether it is known what comes since."""
        self._before = 0.0
        """Share that was lost then."""
        self._begun = self._seen = self._refuted = NEVER
        """When it began, when more than usual was lost last, and when the last one showed that this is no chance."""
        self._since: float | None = None
        """Since when so little comes; None: more does."""

    def watch(self, now: float, waits: bool, excess: float, loss: float, packets: int, came: float) -> bool:
        """Take what was measured; return whether ``loss`` is lost by chance.

        ``waits``: whether packets wait. ``excess``: the share that is lost beyond what the link has lost of late.
        ``loss``: the share of the ``packets`` of the last ``LOSS_SPAN`` that was lost. ``came``: bits per second.
        """
        if excess:
            self._seen = now
        if waits or loss > MOST_LOST:
            self._stop()
        elif not self.least:
            if excess and now >= self._refuted + REFUTED_FOR:
                self._begun, self.came, self._is_measured = now, came, False
                self.least = max(self._bound, came)
        elif not self._is_measured:
            if now >= self._begun + RATE_SPAN:
                self._is_measured, self._before, self.came = True, loss, max(self.came, came)
                self.least = max(self._bound, LESS * came)
        elif came > NEAR * self.least:
            self._since = None
            self._go_on(now, excess)
        elif self._since is None:
            self._since = now
        elif now >= self._since + LOSS_SPAN and packets >= LEAST_PACKETS:
            return self._end(now, loss)
        return False

    def _go_on(self, now: float, excess: float) -> None:
        """Decide what becomes of a trial in which more comes than it should."""
        if now >= self._seen + LOSS_SPAN:
            self._stop()
        elif excess and now >= self._begun + LOSS_SPAN:
            self.most = self.least

    def _end(self, now: float, loss: float) -> bool:
        self._stop()
        if loss >= AS_MUCH * self._before:
            return True
        self._refuted = now
        return False

    def _stop(self) -> None:
        self.least, self.most = 0.0, float("inf")
        self._since = None
