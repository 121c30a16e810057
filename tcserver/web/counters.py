"""What the web counts. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class WebCounters:
    """Counters of the web since the start."""

    accepted: Counter[str] = field(default_factory=Counter)
    """Connections by their first bytes: ``tls``, ``plain``, ``proxied`` (what follows is counted, too), and
    ``bad_proxy_header``."""
    handshakes: int = 0
    """TLS handshakes that were completed."""
    failed_handshakes: Counter[str] = field(default_factory=Counter)
    """TLS handshakes that failed: ``alert`` (the client refused), ``protocol``, ``timeout``, ``closed``."""
    requests: Counter[int] = field(default_factory=Counter)
    """Requests by the status of their answer; 101 for those that have opened a stream."""
    crowded: int = 0
    """Connections that were closed to make room for new ones."""
