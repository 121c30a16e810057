"""The state and the sources that all parts of the conference share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import inf

from tcproto.errors import ErrorCode
from tcserver.conference.effects import Crash, Outbox, Where
from tcserver.conference.limits.budget import Budget, Budgets
from tcserver.conference.limits.camera_cap import CameraCap
from tcserver.conference.login.connection import Connection
from tcserver.conference.room.identifiers import IdPool
from tcserver.conference.room.placement import WorkerLoads
from tcserver.conference.room.seat import Seat
from tcserver.conference.settings import Settings
from tcserver.conference.timers import Timers
from tcserver.identity import ServerIdentity
from tcserver.media.interface import WORKER_MASK
from tcserver.records import Account


class Context:
    """Settings, randomness, wall clock, effects, deadlines, identifiers, counters, and the seats by media id."""

    def __init__(
        self,
        settings: Settings,
        server: ServerIdentity,
        random_bytes: Callable[[int], bytes],
        unix_ms: Callable[[], int],
    ) -> None:
        self.settings = settings
        self.server = server
        self.random_bytes = random_bytes
        self.unix_ms = unix_ms
        self.outbox = Outbox()
        self.timers = Timers()
        self.counters: Counter[str] = Counter()
        self.refusals: Counter[ErrorCode] = Counter()
        self.limited: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter(dict.fromkeys(Where, 0))
        self._budgets = Budgets()
        self.session_ids = IdPool(random_bytes)
        self.participant_ids = IdPool(random_bytes)
        self.sealer_ids = IdPool(random_bytes)
        self.media_ids = IdPool(random_bytes, WORKER_MASK)
        self.camera_cap = CameraCap()
        self.costs: Mapping[tuple[int, int], int] = {}
        """Numbers of accounts by Argon2id cost (bytes, passes)."""
        self.seats: dict[int, Seat] = {}
        """Seats of all rooms, by media id."""
        self.seat_of: dict[int, Seat] = {}
        """The same seats, by number of the session."""
        self.worker_loads = WorkerLoads()
        self.drains_at = inf
        """When the server ends, as the operator has announced. Until then no room begins."""

    def budget(self, account: Account, now: float) -> Budget:
        """Return what an account may still cost."""
        return self._budgets.of(account, self.settings.account_cost, now)

    def seat_on(self, connection: Connection) -> Seat | None:
        """Return the seat of the session on a connection, also one that the media plane is about to open."""
        return None if connection.session is None else self.seat_of.get(connection.session.number)

    def crashed(self, where: Where, error: Exception, **fields: str | int) -> None:
        """Count an error of ours, and have it logged."""
        self.crashes[where] += 1
        self.outbox.add(Crash(where, error, fields))

    def loads(self) -> list[float]:
        """Return how busy each media worker is."""
        return self.worker_loads.estimate(self.settings.media_workers, self.seats)
