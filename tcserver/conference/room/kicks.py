"""Who was removed from a room, and does not come back for a while."""

from __future__ import annotations

from collections import OrderedDict

MAX_KICKED = 4096
"""Accounts that are kept out of a room at a time, of all rooms; beyond it the one kicked longest ago may come back."""
KICKED_DEVICES = 3
"""Devices of one account that are kept out of a room; with so many the whole account is: a client makes itself a new
device as often as it likes."""


class Kicks:
    """Kicks by room (its folded name), account and device. They outlast the room: it must not help to open it again."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str], OrderedDict[bytes, float]] = OrderedDict()

    def add(self, room: str, account: str, device: bytes, until: float) -> None:
        """Keep a device out until then."""
        devices = self._until.setdefault((room, account), OrderedDict())
        self._until.move_to_end((room, account))
        devices[device] = until
        devices.move_to_end(device)
        if len(devices) > KICKED_DEVICES:
            devices.popitem(last=False)
        if len(self._until) > MAX_KICKED:
            self._until.popitem(last=False)

    def wait(self, room: str, account: str, device: bytes, now: float) -> float:
        """Return the seconds until a device may enter a room; 0: it may."""
        devices = self._until.get((room, account))
        if devices is None:
            return 0.0
        for kicked in [kicked for kicked, until in devices.items() if until <= now]:
            del devices[kicked]
        if not devices:
            del self._until[room, account]
            return 0.0
        until = min(devices.values()) if len(devices) >= KICKED_DEVICES else devices.get(device, now)
        return max(until, devices.get(device, now)) - now
