"""Figures of a running server for its operator: the same that the metrics have, in one answer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from tcserver.conference import Conference
from tcserver.media.forwarding.drops import Counters
from tcserver.media.plane.stats import MediaStats
from tcserver.monitoring.histogram import Histogram

Figures = dict[str, object]
_TOTALS = [field.name for field in fields(Counters) if field.type == "int"]


def statistics(conference: Conference, media: Sequence[MediaStats]) -> Figures:
    """Return all figures by group. Counts are since the start, those of media over all workers; 0 is left out."""
    return {
        "now": {
            "connections": conference.connections,
            "half_open": conference.half_open,
            "sessions": conference.sessions,
            "detached": conference.detached,
            "rooms": conference.rooms,
            "seats": conference.seats,
            "seats_proven": sum(stats.counts.proven for stats in media),
        },
        "publications": _sums([conference.publications]),
        "media": {name: sum(getattr(stats.counters, name) for stats in media) for name in _TOTALS},
        "forward_latency_ms": {
            f"p{percent}": _percentile([stats.latency for stats in media], percent / 100) for percent in (50, 99)
        },
        "drops": _sums(stats.counters.drops for stats in media),
        "send_errors": _sums(stats.errors for stats in media),
        "refusals": _sums([conference.refusals]),
        "limited": _sums([conference.limited]),
        "events": _sums([conference.counters]),
        "crashes": _sums([conference.crashes, *(stats.counters.faults for stats in media)]),
    }


def _sums(counts: Iterable[Mapping[Any, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update({str(name): number for name, number in each.items()})
    return {name: number for name, number in sorted(total.items()) if number}


def _percentile(histograms: Sequence[Histogram], share: float) -> float | None:
    """Return the milliseconds that so many are not above; None if there are none, or if it is above all bounds."""
    if not histograms:
        return None
    counts = [sum(each) for each in zip(*(histogram.counts for histogram in histograms), strict=True)]
    wanted, passed = share * sum(counts), 0
    for bound, number in zip(histograms[0].bounds, counts, strict=False):
        passed += number
        if passed and passed >= wanted:
            return round(bound * 1000, 3)
    return None
