"""Control connections, and the requests that arrive on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tcproto.errors import CODES, Refusal
from tcproto.messages import Error, Login, LoginBegin
from tcserver.conference.effects import Outbox
from tcserver.conference.limits.budget import Budget
from tcserver.conference.limits.token_bucket import Limiter
from tcserver.conference.login.session import Session
from tcserver.records import Account

M = TypeVar("M")


@dataclass(slots=True, eq=False)
class LoginAttempt:
    """What a connection does before its login."""

    lookup: Request[LoginBegin] | None = None
    """The request whose account is being looked up."""
    lookup_name: str = ""
    is_stale: bool = False
    """The account changed during the lookup."""
    is_found: bool = False
    """The lookup is done; its reply waits for its time."""
    is_late: bool = False
    """The time of the reply has come before the lookup was done."""
    challenged: str | None = None
    """The name that the last challenge was for."""
    account: Account | None = None
    """The account that was found last, if there is one."""
    proof: Request[Login] | None = None
    """The login that is proven, and waits for the account's enrolled devices."""
    failures: int = 0
    is_failing: bool = False
    """The reply to a failed login waits for its time."""
    has_probed: bool = False


@dataclass(slots=True, eq=False)
class Connection:
    """A control connection; before the handshake is done ``handshake_hash`` is empty."""

    number: int
    address: str
    network: str
    """What the address is counted by."""
    limiter: Limiter
    last_heard: float
    handshake_hash: bytes = b""
    attempt: LoginAttempt = field(default_factory=LoginAttempt)
    session: Session | None = None
    budget: Budget | None = None
    """Of the account; None before the login, when bytes are counted instead."""
    charged: float = 0.0
    """Microseconds that the message which is handled has cost so far."""
    is_overdrawn: bool = False
    """Whether the budget was, when the message that is handled came."""
    rests: int = 0
    """How often nothing was read of it for a while, one time after the other, since its account's budget was spent."""
    pings: int = 0
    """Pings sent, which number them."""
    unanswered: int = 0
    """Pings without a pong so far."""


@dataclass(slots=True, eq=False)
class Request(Generic[M]):
    """A message that arrived, and the way to its one reply; ``request_id`` is 0 for a notification."""

    connection: Connection
    message: M
    request_id: int
    now: float
    outbox: Outbox

    @property
    def session(self) -> Session:
        """The session, for messages that only come from one."""
        session = self.connection.session
        assert session is not None
        return session

    def reply(self, message: object) -> None:
        """Send the reply, exactly once; now, or later if the answer has to be waited for."""
        self.outbox.send(self.connection.number, message, self.request_id)

    def refuse(self, refusal: Refusal) -> None:
        """Send the refusal as the reply; a notification gets none."""
        if self.request_id:
            self.reply(
                Error(
                    code=refusal.code,
                    text=refusal.text,
                    action=CODES[refusal.code].action,
                    retry_after_ms=refusal.retry_after_ms,
                )
            )

    def cost(self, microseconds: float) -> None:
        """Take what the message makes the server do beside reading it from the account's budget.

        What it does at once is measured, too, and is not taken twice.
        """
        if self.connection.budget is not None:
            self.connection.budget.spend(microseconds)
            self.connection.charged += microseconds
