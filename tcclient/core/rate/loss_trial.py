"""Whether a link has begun to lose packets by chance: less is sent for a while, and as much is lost."""

from __future__ import annotations

from tcclient.core.rate.arrivals import LOSS_SPAN

LESS = 0.5
"""Share of what came that is sent in a trial. So much comes through where a queue or a policer drops the rest."""
NEAR = 1.2
"""Times of that which count as so little: a moment has more."""
AS_MUCH = 0.5
"""Share of the loss before, from which as much is lost: a loss by chance varies so much from one measurement to the
next."""
LEAST_PACKETS = 30
"""Packets that tell it, at least."""
MOST_LOST = 0.4
"""Share of packets. Where more are lost, the rate has to fall further."""


class LossTrial:
    """Finds out where a loss comes from that is new, while nothing waits.

    The rate falls because of that loss, but not below ``least``. What is lost there for ``LOSS_SPAN`` is lost by chance.
    """

    def __init__(self) -> None:
        self.least = 0.0
        """Bits per second that may be sent at least; 0: no trial goes on."""
        self.came = 0.0
        """Bits per second that came at the beginning of the last one."""
        self._before = 0.0
        """Share that was lost then."""
        self._since: float | None = None
        """Since when so little comes; None: more does."""

    def watch(self, now: float, waits: bool, excess: float, loss: float, packets: int, came: float) -> bool:
        """Take what was measured; return whether ``loss`` is lost by chance.

        ``waits``: whether packets wait. ``excess``: the share that is lost beyond what the link is known to lose.
        ``loss``: the share of the ``packets`` of the last ``LOSS_SPAN`` that was lost. ``came``: bits per second.
        """
        if waits or loss > MOST_LOST:
            self.stop()
        elif not self.least:
            if excess:
                self.came, self.least, self._before = came, LESS * came, loss
        elif came > NEAR * self.least:
            self._since = None
            if not excess:
                self.stop()
        elif self._since is None:
            self._since = now
        elif now >= self._since + LOSS_SPAN and packets >= LEAST_PACKETS:
            self.stop()
            return loss >= AS_MUCH * self._before
        return False

    def stop(self) -> None:
        """End the trial."""
        self.least = 0.0
        self._since = None
