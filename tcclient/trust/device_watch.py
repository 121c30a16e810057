"""Watches the devices of members: reports new ones, and writes them to disk beside the media path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from tcclient import events
from tcclient.core.membership.pins import MAX_ACCOUNTS, Acquaintance, DevicePins
from tcclient.participant import Participant
from tcclient.trust.known_devices import KnownDevices
from tcclient.trust.trust_file import TrustFileError


class DeviceWatch:
    """What a room knows of the devices of accounts. ``tell`` takes events; files are written in threads of ``pool``.

    A file that cannot be written is reported once, and the room goes on.
    """

    def __init__(self, known: KnownDevices, pool: Executor, tell: Callable[[events.Event], None]) -> None:
        self._known = known
        self._pool = pool
        self._tell = tell
        self._pins: DevicePins | None = None
        self._fingerprint = b""
        self._changed = asyncio.Event()
        self._faults: set[str] = set()

    def look(self, participant: Participant, fingerprint: bytes) -> None:
        """Compare a participant with what is known on the server of this fingerprint (20 bytes).

        A participant that is not verified has proved no device, so nothing is remembered of it.
        """
        if self._pins is None:
            self._fingerprint = fingerprint
            self._pins = DevicePins(self._known.devices(fingerprint))
            for text in self._known.faults:
                self._fault(text)
        if not participant.verified:
            return
        if self._pins.meet(participant.account, participant.device_key) is Acquaintance.NEW:
            self._tell(events.NewDevice(participant))
        if self._pins.full:
            self._fault(f"{self._known.path}: {MAX_ACCOUNTS} accounts of this server are known, and no more remembered")
        self._changed.set()

    async def run(self) -> None:
        """Write new devices to disk, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.save()

    async def save(self) -> None:
        """Write new devices to disk."""
        pins = self._pins.unsaved() if self._pins is not None else []
        if not pins:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._known.add, self._fingerprint, pins)
        except TrustFileError as error:
            self._fault(str(error))

    def _fault(self, text: str) -> None:
        if text not in self._faults:
            self._faults.add(text)
            self._tell(events.TrustFault(text))
