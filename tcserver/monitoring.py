"""What a monitoring system asks for: the metrics and whether the server is well, by HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from tcserver.conference import Conference
from tcserver.configuration import ConfigurationError
from tcserver.garbage import PauseMeter
from tcserver.histogram import Histogram
from tcserver.http import Content, HttpServer
from tcserver.media.reading import MediaReading

LAG_INTERVAL = 0.1
"""Seconds between looks at how late the event loop is: often enough to meet any stall that people hear."""
LAG_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds; the timers of uvloop have whole milliseconds."""

HEALTHY = Content("text/plain; charset=utf-8", b"OK\n")


class Monitoring:
    """Measures the process and answers a monitoring system. Raises ``ConfigurationError`` without the extra for it."""

    def __init__(
        self,
        conference: Conference,
        media: Callable[[], Sequence[MediaReading]],
        on_error: Callable[[Exception], None],
    ) -> None:
        try:
            from tcserver import metrics  # a server without metrics needs no further package
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"http.port: {error.name} is missing; metrics are installed with: pip install '.[metrics]'"
            ) from None
        self._lag = LagMeter()
        self._pauses = PauseMeter(time.perf_counter)
        collector = metrics.Metrics(conference, media, metrics.Runtime(self._lag.lags, self._pauses.pauses))
        self._http = HttpServer(
            {"/metrics": lambda: Content(metrics.CONTENT_TYPE, collector.exposition()), "/healthz": lambda: HEALTHY},
            on_error,
        )

    async def open(self, address: str, port: int) -> None:
        """Listen and begin to measure; raises ``OSError``."""
        await self._http.open(address, port)
        self._lag.start()
        self._pauses.start()

    def close(self) -> None:
        """Listen and measure no longer; once, after it was opened."""
        self._pauses.stop()
        self._lag.stop()
        self._http.close()


class LagMeter:
    """Measures by how much a timer of the running event loop comes late."""

    def __init__(self) -> None:
        self.lags = Histogram(LAG_BOUNDS)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = time.monotonic() + LAG_INTERVAL
        self._timer = asyncio.get_running_loop().call_later(LAG_INTERVAL, self._look)

    def stop(self) -> None:
        """Measure no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self.lags.observe(max(0.0, time.monotonic() - self._due))
        self.start()
