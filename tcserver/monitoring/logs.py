"""Structured logs: events with fields, as ``key=value`` text or JSON lines. The rate of each event is limited.

A peer can cause events as fast as it can send, so every event has a token bucket. Lines that are left out are counted,
and reported with the next line of the event. A fault of a peer is one line; only our own have tracebacks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tcproto.errors import ProtocolError
from tcserver.monitoring.background_writer import BackgroundWriter

EVENT_BURST = 20
"""Lines of one event at once; enough to see a pattern."""
EVENTS_PER_S = 1.0
"""Lines of one event per second, in the long run."""
MAX_EVENTS = 512
"""Different events that are counted. Their names are constants of the program, so there are fewer."""
MAX_VALUE_CHARACTERS = 256
"""Characters of a value in text. Peers choose some of the values."""

ROOT = "tcserver"
"""The logger that ``configure`` sets up. It is the parent of all others here."""

FOREIGN = ("asyncio", "py.warnings")
"""Loggers of the standard library that would otherwise write to standard error."""

_FIELDS = "tcserver_fields"
_BARE = re.compile(r"[A-Za-z0-9._:/@+\[\]%,-]+")


class TextStream(Protocol):
    """A stream that takes lines."""

    def write(self, text: str, /) -> int:
        """Take a text."""

    def flush(self) -> None:
        """Pass on what was taken."""


output = BackgroundWriter(2 if sys.__stderr__ is not None else -1)
"""Standard error of a process of the server. Its event loop never waits for the reader."""


def configure(level: str, style: str, stream: TextStream = output) -> None:
    """Write the logs of the server to ``stream`` from severity ``level`` up, in ``style`` ``text`` or ``json``.

    Logs and warnings of the standard library go there, too. It may be called again, with other arguments.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    for name in (ROOT, *FOREIGN):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    logging.getLogger(ROOT).setLevel(level.upper())
    logging.captureWarnings(True)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """New settings of the logs for a media worker; as for ``configure``."""

    level: str
    style: str


class TextFormatter(logging.Formatter):
    """``time level logger event key=value …``. Values with other than plain characters are quoted as in JSON."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and after it the traceback of a fault of this program."""
        words = [self.formatTime(record), record.levelname.lower(), record.name, record.getMessage()]
        words += [f"{key}={_text(value)}" for key, value in _fields(record).items()]
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (seconds since 1970), ``level``, ``logger``, ``event`` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line. The traceback of a fault of this program is the field ``traceback``."""
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {key: value for key, value in _fields(record).items() if key not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_plain)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated: float
    suppressed: int = 0
    level: int = field(default=logging.INFO)


class EventLimiter:
    """Token buckets, one for each event. ``clock`` returns monotonic seconds, which the time of day does not change."""

    def __init__(self, clock: Callable[[], float], burst: int = EVENT_BURST, per_s: float = EVENTS_PER_S) -> None:
        self._clock = clock
        self._burst = burst
        self._per_s = per_s
        self._buckets: dict[str, _Bucket] = {}

    def admit(self, event: str, level: int = logging.INFO) -> int | None:
        """Return how many of ``event`` were left out before this one. ``None``: leave this one out, too."""
        now = self._clock()
        if event not in self._buckets and len(self._buckets) >= MAX_EVENTS:
            event = "other"
        bucket = self._buckets.setdefault(event, _Bucket(self._burst, now))
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.updated) * self._per_s)
        bucket.updated = now
        if bucket.tokens < 1:
            bucket.suppressed += 1
            bucket.level = level
            return None
        bucket.tokens -= 1
        suppressed, bucket.suppressed = bucket.suppressed, 0
        return suppressed

    def take_suppressed(self) -> dict[str, tuple[int, int]]:
        """Return count and severity of lines that were left out and not reported, by event; they are reported now."""
        taken = {
            event: (bucket.suppressed, bucket.level) for event, bucket in self._buckets.items() if bucket.suppressed
        }
        for event in taken:
            self._buckets[event].suppressed = 0
        return taken


class EventLog:
    """The log of one part of the server, ``tcserver.<name>``.

    An event is a constant phrase in lower case. Values go into the fields.
    """

    def __init__(self, name: str, limiter: EventLimiter) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")
        self._limiter = limiter

    def debug(self, event: str, /, **fields: object) -> None:
        """Log an event that helps to find a fault."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log an ordinary event."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log an event that an operator should look into."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log an event that stops something from working."""
        self._log(logging.ERROR, event, fields)

    def fault(self, event: str, error: BaseException, /, **fields: object) -> None:
        """Log a fault of a peer in one line, with the code and detail of a protocol error, else with the text."""
        if isinstance(error, ProtocolError):
            fields |= {"code": str(error.code), "detail": error.detail}
        else:
            fields |= {"error": type(error).__name__, "detail": str(error)}
        self._log(logging.INFO, event, fields)

    def crash(self, event: str, error: BaseException, /, **fields: object) -> None:
        """Log a fault of this program with its traceback."""
        self._log(logging.ERROR, event, fields, error)

    def report_suppressed(self) -> None:
        """Log how many lines were left out of events that did not come again, and how many the reader was too slow for.

        Call it regularly.
        """
        for event, (count, level) in self._limiter.take_suppressed().items():
            self._write(level, "events suppressed", {"name": event, "suppressed": count}, None)
        if dropped := output.take_dropped():
            self._write(logging.WARNING, "log lines dropped", {"lines": dropped}, None)

    def _log(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None = None) -> None:
        if not self._logger.isEnabledFor(level):
            return
        suppressed = self._limiter.admit(event, level)
        if suppressed is None:
            return
        self._write(level, event, {**fields, "suppressed": suppressed} if suppressed else fields, error)

    def _write(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None) -> None:
        self._logger.log(level, "%s", event, extra={_FIELDS: fields}, exc_info=error)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return dict(getattr(record, _FIELDS, {}))


def _plain(value: object) -> str:
    """Return text for a value that JSON has no type for: bytes in hexadecimal, others as ``str``."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _text(value: object) -> str:
    text = _plain(value) if not isinstance(value, float) else f"{value:.6g}"
    if len(text) > MAX_VALUE_CHARACTERS:
        text = text[:MAX_VALUE_CHARACTERS] + "..."
    return text if _BARE.fullmatch(text) else json.dumps(text)
