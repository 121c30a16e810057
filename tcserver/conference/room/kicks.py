"""Kicks: devices and accounts that may not enter a room again for a while."""

from __future__ import annotations

from collections import OrderedDict

MAX_KICKED = 4096
"""Accounts that are kept out of rooms at a time, all rooms together. Beyond it the oldest kick is forgotten."""
KICKED_DEVICES = 3
"""Devices of one account that are kept out of a room one by one. With so many the whole account is kept out: a client
can make a new device as often as it likes."""


class Kicks:
    """Kicks by room (its folded name), account and device. They outlast the room: to open it again must not help."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str], OrderedDict[bytes, float]] = OrderedDict()

    def add(self, room: str, account: str, device: bytes, until: float) -> None:
        """Keep a device out of a room until ``until``."""
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
