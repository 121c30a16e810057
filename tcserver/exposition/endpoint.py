"""What a monitoring system asks for: the metrics and whether the server is well, by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcserver.conference import Conference
from tcserver.config.configuration import ConfigurationError
from tcserver.exposition.http import Content, HttpServer
from tcserver.media.forwarding.stats import MediaStats
from tcserver.monitoring.process_meter import ProcessMeter
from tcserver.monitoring.process_stats import ProcessStats

HEALTHY = Content("text/plain; charset=utf-8", b"OK\n")


class Monitoring:
    """Measures the process and answers a monitoring system. Raises ``ConfigurationError`` without the extra for it.

    ``media`` and ``workers`` return a reading of each media plane and of each worker's process, by slot.
    """

    def __init__(
        self,
        conference: Conference,
        media: Callable[[], Sequence[MediaStats]],
        workers: Callable[[], Sequence[ProcessStats]],
        on_error: Callable[[Exception], None],
    ) -> None:
        try:
            from tcserver.exposition import metrics  # a server without metrics needs no further package
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"http.port: {error.name} is missing; metrics are installed with: pip install '.[metrics]'"
            ) from None
        self._meter = meter = ProcessMeter()
        collector = metrics.Metrics(conference, media, lambda: [meter.stats(), *workers()])
        self._http = HttpServer(
            {"/metrics": lambda: Content(metrics.CONTENT_TYPE, collector.exposition()), "/healthz": lambda: HEALTHY},
            on_error,
        )

    async def open(self, address: str, port: int) -> None:
        """Listen and begin to measure; raises ``OSError``."""
        await self._http.open(address, port)
        self._meter.start()

    def close(self) -> None:
        """Listen and measure no longer; once, after it was opened."""
        self._meter.stop()
        self._http.close()
