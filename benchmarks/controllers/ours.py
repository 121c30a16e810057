"""The estimator of the client, as a sender uses it on reports of arrivals."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.harness.bottleneck import Packet
from tcclient.core.path.train import HEADERS
from tcclient.core.rate.estimator import RateEstimator
from tcproto.serial import clock_us


class Ours:
    """See the module's text."""

    window = float("inf")

    def __init__(self, start: float, most: float) -> None:
        self._estimator = RateEstimator(start=start, most=most)

    @property
    def bitrate(self) -> float:
        """Bits per second to send."""
        return self._estimator.bitrate

    def report(self, now: float, packets: Sequence[Packet]) -> None:
        """Take a report."""
        for packet in packets:
            if packet.arrived is None:
                self._estimator.missed(1)
            else:
                self._estimator.arrived(clock_us(packet.sent), packet.arrived, packet.size - HEADERS)
        self._estimator.handle_timeout(now)
