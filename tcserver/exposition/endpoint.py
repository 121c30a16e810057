"""The endpoint of a monitoring system: metrics, and whether the server is well, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tcserver.conference import Conference
from tcserver.config.configuration import ConfigurationError
from tcserver.media.plane.stats import MediaStats
from tcserver.monitoring.process_meter import ProcessMeter
from tcserver.monitoring.process_stats import ProcessStats
from tcserver.web.connection import WebConnection
from tcserver.web.http.site import Documents
from tcserver.web.service import Turns, WebService
from tcserver.web.trusted_proxies import TrustedProxies

MAX_CONNECTIONS = 16
"""Connections at a time. One more closes the one that has been idle for the longest."""
HEALTHY = ("text/plain; charset=utf-8", b"OK\n")


class MetricsEndpoint:
    """Measures the process and answers a monitoring system. Raises ``ConfigurationError`` if the extra is missing.

    ``media`` returns what each media plane tells, ``workers`` what the process of each worker tells. ``web`` is the web
    of the server, None if it is off. Requests are handled in ``turns``.
    """

    def __init__(
        self,
        conference: Conference,
        media: Callable[[], Sequence[MediaStats]],
        workers: Callable[[], Sequence[ProcessStats]],
        web: WebService | None,
        turns: Turns,
        on_error: Callable[[Exception], None],
    ) -> None:
        try:
            from tcserver.exposition import metrics  # so that a server without metrics needs no extra package
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"http.port: {error.name} is missing; metrics are installed with: pip install '.[metrics]'"
            ) from None
        self._meter = meter = ProcessMeter()
        collector = metrics.Metrics(conference, media, lambda: [meter.stats(), *workers()], web)
        self._documents = Documents(
            {"/metrics": lambda: (metrics.CONTENT_TYPE, collector.exposition()), "/healthz": lambda: HEALTHY}
        )
        self._service = WebService(turns, on_error, MAX_CONNECTIONS, MAX_CONNECTIONS)
        self._server: asyncio.Server | None = None

    async def open(self, address: str, port: int) -> None:
        """Listen, and begin to measure. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make_connection, address, port, reuse_address=True)
        self._meter.start()

    def close(self) -> None:
        """Stop listening and measuring. Call it once, after ``open``."""
        assert self._server is not None
        self._meter.stop()
        self._server.close()
        self._service.close()

    def _make_connection(self) -> WebConnection:
        return WebConnection(self._service, self._documents, TrustedProxies())
