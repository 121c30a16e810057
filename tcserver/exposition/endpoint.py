"""The endpoint of a monitoring system: metrics, and whether the server is well, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcserver.conference import Conference
from tcserver.config.configuration import ConfigurationError
from tcserver.exposition.http import Content, HttpServer
from tcserver.media.plane.stats import MediaStats
from tcserver.monitoring.process_meter import ProcessMeter
from tcserver.monitoring.process_stats import ProcessStats

HEALTHY = Content("text/plain; charset=utf-8", b"OK\n")


class MetricsEndpoint:
    """Measures the process and answers a monitoring system. Raises ``ConfigurationError`` if the extra is missing.

    ``media`` returns what each media plane tells, ``workers`` what the process of each worker tells.
    """

    def __init__(
        self,
        conference: Conference,
        media: Callable[[], Sequence[MediaStats]],
        workers: Callable[[], Sequence[ProcessStats]],
        on_error: Callable[[Exception], None],
    ) -> None:
        try:
            from tcserver.exposition import metrics  # so that a server without metrics needs no extra package
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
        """Listen, and begin to measure. Raises ``OSError``."""
        await self._http.open(address, port)
        self._meter.start()

    def close(self) -> None:
        """Stop listening and measuring. Call it once, after ``open``."""
        self._meter.stop()
        self._http.close()
