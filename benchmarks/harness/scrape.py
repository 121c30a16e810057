"""What a server tells at ``/metrics``: counters and histograms, and how they changed."""

from __future__ import annotations

import math
import re
import socket
import urllib.request
from collections.abc import Mapping

from benchmarks.harness.report import BenchmarkError

LIMIT = 10.0
"""Seconds for an answer."""
LOOP_LAG = "tcserver_loop_lag_seconds"
_LINE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_BOUND = re.compile(r'\ble="([^"]+)"')
Buckets = Mapping[float, float]
"""Values at or below each bound, of all labels together; the last bound is infinite."""


def free_port() -> int:
    """Return a TCP port for ``http.port`` that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def fetch(port: int) -> str:
    """Return the text; raises ``BenchmarkError``."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT) as answer:
            text: str = answer.read().decode()
            return text
    except OSError as error:
        raise BenchmarkError(f"the server's metrics cannot be read: {error}") from None


def total(text: str, name: str) -> float:
    """Return the sum over all labels of a metric; 0 where there is none."""
    return sum(
        float(line["value"]) for line in map(_LINE.fullmatch, text.splitlines()) if line and line["name"] == name
    )


def by_label(text: str, name: str, label: str) -> dict[str, float]:
    """Return the values of a metric by one label, summed over all others."""
    found: dict[str, float] = {}
    for line in map(_LINE.fullmatch, text.splitlines()):
        if line and line["name"] == name and (value := re.search(rf'\b{label}="([^"]*)"', line["labels"] or "")):
            found[value[1]] = found.get(value[1], 0.0) + float(line["value"])
    return found


def buckets(text: str, name: str) -> Buckets:
    """Return a histogram, summed over all other labels."""
    found: dict[float, float] = {}
    for line in map(_LINE.fullmatch, text.splitlines()):
        if line and line["name"] == f"{name}_bucket" and (bound := _BOUND.search(line["labels"])):
            limit = float(bound[1])
            found[limit] = found.get(limit, 0.0) + float(line["value"])
    return dict(sorted(found.items()))


def loop_lag(text: str) -> Buckets:
    """Return how late the loops that serve media were: all workers, or the server without any."""
    lines = [line for line in text.splitlines() if f"{LOOP_LAG}_bucket" in line]
    workers = [line for line in lines if 'process="worker ' in line]
    return buckets("\n".join(workers or lines), LOOP_LAG)


def change(before: Buckets, after: Buckets) -> Buckets:
    """Return what came in between."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def at_most(histogram: Buckets, share: float) -> float | None:
    """Return the least bound that this share of the values keeps; None without values, or beyond the last bound."""
    values = max(histogram.values(), default=0.0)
    if not values:
        return None
    bound = next(bound for bound, count in histogram.items() if count >= share * values)
    return None if math.isinf(bound) else bound
