"""Which devices an account has been seen with on one server (PROTOCOL 5). Known devices come in, new ones go out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

MAX_ACCOUNTS = 4096
"""Accounts remembered of one server. No account is forgotten to make room for another. Otherwise a server could make up
accounts until the account that it wants to imitate counts as new."""
MAX_DEVICES = 32
"""Devices remembered of one account: five at once, for some years. The device that was seen first is forgotten first.
"""


class Acquaintance(Enum):
    """What is known of a device and its account."""

    KNOWN = "known"
    FIRST = "first"
    """Nothing is known of the account: trust on first use."""
    NEW = "new"
    """The account is known, but not with this device."""


class DevicePin(NamedTuple):
    """An account (folded name) and the public key of one of its devices (32 bytes)."""

    account: str
    device_key: bytes


class DevicePins:
    """The devices of accounts on one server, in the order in which they were first seen."""

    def __init__(self, known: Mapping[str, Iterable[bytes]]) -> None:
        self.full = False
        """Whether an account could not be remembered."""
        self._devices: dict[str, list[bytes]] = {account: list(keys) for account, keys in known.items()}
        self._unsaved: list[DevicePin] = []

    def meet(self, account: str, device_key: bytes) -> Acquaintance:
        """Compare a verified member with what is known, and remember it.

        Each device is reported as new once. A device that was forgotten because the account had newer ones is new
        again.
        """
        pin = DevicePin(account, device_key)
        devices = self._devices.get(account)
        if devices is None:
            if len(self._devices) >= MAX_ACCOUNTS:
                self.full = True
                return Acquaintance.FIRST
            self._devices[account] = [device_key]
            self._unsaved.append(pin)
            return Acquaintance.FIRST
        if device_key in devices:
            return Acquaintance.KNOWN
        self._devices[account] = [*devices, device_key][-MAX_DEVICES:]
        self._unsaved.append(pin)
        return Acquaintance.NEW

    def unsaved(self) -> list[DevicePin]:
        """Return what has been learned since the last call, so that it can be written to disk."""
        pins, self._unsaved = self._unsaved, []
        return pins
