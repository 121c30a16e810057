"""What accounts may cost the server: one budget for each, shared by its sessions."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto

from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.settings import Rate
from tcserver.records import Account

FRAME_COST = 60.0
"""Microseconds of processor time that a frame costs whatever it holds: decrypted, decoded, dispatched, answered."""
BYTE_COST = 0.05
"""Microseconds for each of its bytes: what a map of many small values takes to decode."""
DELIVERY_COST = 25.0
"""Microseconds for each message that it makes the server send: encoded, encrypted, handed to the kernel."""
PAGE_COST = 1500.0
"""Microseconds for a page of a snapshot, with its dozens of members."""
STREAM_COST = 3.0
"""Microseconds for each stream of the room that a subscription is compared with."""
PUBLICATIONS = Rate(0.5, 16)
"""Publications that an account may begin, for each session that it may have: nobody needs more to change devices, and
all of an agency can come back at once. So a room of 500 in which everybody does nothing else than publish and end uses
up some 10,000 stream ids in the 10 s after which they come back, of 65,535."""
DEBT = 0.1
"""Share of the burst by which a budget may be overdrawn before nothing more is read; until then requests are refused,
and what cannot be refused, such as keys, is passed on."""
MAX_RESTS = 10
"""Times that reading is stopped for a connection, one after the other, before it is closed: some ten seconds."""
MAX_BUDGETS = 4096
"""Accounts whose budgets are kept; the one that was not used for longest is forgotten, and begins afresh."""


class Solvency(Enum):
    """How an account's budget stands."""

    GOOD = auto()
    OVERDRAWN = auto()
    """Requests are refused."""
    SPENT = auto()
    """Nothing is read."""


class Budget:
    """Microseconds of processor time of one account; goes below 0, since what a message costs shows when it is done."""

    def __init__(self, rate: Rate, sessions: int, now: float) -> None:
        self.publications = TokenBucket(Rate(PUBLICATIONS.per_second * sessions, PUBLICATIONS.burst * sessions), now)
        """What the account may begin to publish."""
        self._bucket = TokenBucket(rate, now)

    def change_rate(self, rate: Rate) -> None:
        """Let another rate hold from now on, in microseconds."""
        self._bucket.rate = rate

    def solvency(self, now: float) -> Solvency:
        """Tell how it stands."""
        left = self._bucket.fill(now)
        if left >= 0:
            return Solvency.GOOD
        return Solvency.OVERDRAWN if left > -DEBT * self._bucket.rate.burst else Solvency.SPENT

    def spend(self, cost: float) -> None:
        """Take what something has cost."""
        self._bucket.spend(cost)

    def wait(self, now: float) -> float:
        """Return the seconds until nothing is refused."""
        self._bucket.fill(now)
        return self._bucket.wait(0.0)

    def rest(self, now: float) -> float:
        """Return the seconds for which nothing is read: until half of the debt is paid."""
        self._bucket.fill(now)
        return self._bucket.wait(-DEBT / 2 * self._bucket.rate.burst)


class Budgets:
    """The budgets of accounts; they outlive sessions, so that a new login brings no new one."""

    def __init__(self) -> None:
        self._by_account: OrderedDict[int, Budget] = OrderedDict()

    def of(self, account: Account, rate: Rate, now: float) -> Budget:
        """Return the budget of an account, a full one if it has none."""
        budget = self._by_account.get(account.id)
        if budget is None:
            budget = self._by_account[account.id] = Budget(rate, account.max_sessions, now)
            if len(self._by_account) > MAX_BUDGETS:
                self._by_account.popitem(last=False)
        else:
            self._by_account.move_to_end(account.id)
            budget.change_rate(rate)
        return budget
