"""How long an account has to wait at an address after failed logins."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

LONGEST_WAIT = 300.0
"""Seconds of the longest wait: twelve guesses in an hour, and an official who has found the password is in by then."""
MEMORY = 600.0
"""Seconds after the end of the last wait until failures are forgotten."""
MAX_PAIRS = 4096
"""Pairs of account and network whose failures are kept. Beyond it one whose wait is over is forgotten, or else the one
that has failed least recently."""
MAX_DEVICES = 4096
"""Devices that are known from an earlier login. Beyond it the one that has logged in least recently is forgotten."""


class _Failures(NamedTuple):
    number: int
    until: float
    """End of the wait."""


class BackOff:
    """Failed logins by account and network, and the devices that have logged in before.

    The wait begins with ``first`` seconds, and doubles with each failure. It is of one account at one network: other
    accounts behind the same address do not notice. A device that has logged in to the account before does not wait,
    so that a stranger next door cannot keep an agency out, until it fails itself. Names of accounts need not exist.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._devices: OrderedDict[tuple[str, bytes | None], None] = OrderedDict()

    def wait(self, account: str, device: bytes | None, network: str, now: float) -> float:
        """Return the seconds until an account may be tried again. ``device`` is None if it has not signed."""
        failures = self._failures.get((account, network))
        if failures is None or (account, device) in self._devices:
            return 0.0
        return max(0.0, failures.until - now)

    def failed(self, account: str, device: bytes | None, network: str, first: float, now: float) -> None:
        """Count a failed login. Its device has to wait as any other from now on."""
        self._devices.pop((account, device), None)
        key = account, network
        before = self._failures.pop(key, None)
        number = 1 if before is None or now > before.until + MEMORY else before.number + 1
        # A wait is at its longest long before the power is too large for a float.
        until = now + min(LONGEST_WAIT, first * 2.0 ** min(number - 1, 32))
        self._failures[key] = _Failures(number, until)
        if len(self._failures) > MAX_PAIRS:
            over = (pair for pair, failures in self._failures.items() if failures.until <= now)
            del self._failures[next(over, next(iter(self._failures)))]

    def succeeded(self, account: str, device: bytes) -> None:
        """Remember a device that has logged in. Failures stay as they are: a guesser next door gains nothing by it."""
        self._devices[account, device] = None
        self._devices.move_to_end((account, device))
        if len(self._devices) > MAX_DEVICES:
            self._devices.popitem(last=False)
