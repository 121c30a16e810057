"""Budgets: what each account may cost the server. All sessions of an account share one."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto

from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.settings import Rate
from tcserver.records import Account

FRAME_COST = 60.0
"""Microseconds of processor time for any frame: decrypt, decode, dispatch, answer."""
BYTE_COST = 0.05
"""Microseconds for each byte of a frame: what a map of many small values takes to decode."""
DELIVERY_COST = 25.0
"""Microseconds for each message that a frame makes the server send: encode, encrypt, hand to the kernel."""
PAGE_COST = 1500.0
"""Microseconds for a page of a snapshot, with dozens of participants."""
STREAM_COST = 3.0
"""Microseconds for each stream of the room that a subscription is compared with."""
PUBLICATIONS = Rate(0.5, 16)
"""Publications that an account may begin, for each session that it may have. Nobody needs more to change devices, and
all clients of an agency can come back at once. A room of 500 in which everybody only publishes and ends uses some
10,000 of the 65,535 stream ids in the 10 s after which ids are given again."""
DEBT = 0.1
"""Share of the burst by which a budget may be overdrawn before nothing more is read. Until then requests are refused,
and what cannot be refused, such as keys, is passed on."""
MAX_RESTS = 10
"""Times in a row that a connection is not read for a while, before it is closed: some ten seconds in total."""
MAX_BUDGETS = 4096
"""Accounts whose budgets are kept. Beyond it, the budget that was not used for longest begins afresh."""


class Solvency(Enum):
    """How an account's budget stands."""

    GOOD = auto()
    OVERDRAWN = auto()
    """Requests are refused."""
    SPENT = auto()
    """Nothing is read."""


class Budget:
    """Microseconds of processor time of one account. It may go below 0: a cost is known afterwards."""

    def __init__(self, rate: Rate, sessions: int, now: float) -> None:
        self.publications = TokenBucket(Rate(PUBLICATIONS.per_second * sessions, PUBLICATIONS.burst * sessions), now)
        """Publications that the account may begin."""
        self._bucket = TokenBucket(rate, now)

    def change_rate(self, rate: Rate) -> None:
        """Let another rate hold from now on, in microseconds."""
        self._bucket.rate = rate

    def solvency(self, now: float) -> Solvency:
        """Tell how the budget stands."""
        left = self._bucket.fill(now)
        if left >= 0:
            return Solvency.GOOD
        return Solvency.OVERDRAWN if left > -DEBT * self._bucket.rate.burst else Solvency.SPENT

    def spend(self, cost: float) -> None:
        """Take a cost from the budget."""
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
    """The budgets of accounts. They outlive sessions, so that a new login brings no new budget."""

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
