"""Tells systemd how the server does: that it has started, that it ends, and again and again that it still answers.

The protocol is that of sd_notify(3): a datagram to the socket that the environment names. Without one nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping

SHARE_OF_LIMIT = 0.5
"""A sign is given after this share of the time limit, as sd_watchdog_enabled(3) recommends."""


class Supervisor:
    """Speaks to the supervisor that the environment names, from the event loop: a loop that hangs gives no sign."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        limit = environment.get("WATCHDOG_USEC", "")
        self._interval = int(limit) * 1e-6 * SHARE_OF_LIMIT if limit.isascii() and limit.isdigit() else 0.0
        self._timer: asyncio.TimerHandle | None = None

    def started(self) -> None:
        """Tell that the server has started. From now on signs are given, if somebody waits for them."""
        self._tell("READY=1")
        self._watch()

    def stopping(self) -> None:
        """Tell that the server ends, which may take some seconds."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell("STOPPING=1")

    def _watch(self) -> None:
        if self._address and self._interval:
            self._tell("WATCHDOG=1")
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._watch)

    def _tell(self, state: str) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)  # a supervisor that does not read must not hold up the sound
                sock.sendto(state.encode(), self._address)
