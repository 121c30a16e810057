"""Control connections, and the requests that arrive on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tcproto.errors import CODES, Refusal
from tcproto.messages import Error, Login, LoginBegin
from tcserver.conference.effects import Outbox
from tcserver.conference.limits.budget import Budget
from tcserver.conference.limits.token_bucket import ConnectionBuckets
from tcserver.conference.login.session import Session
from tcserver.records import Account

M = TypeVar("M")


@dataclass(slots=True, eq=False)
class LoginAttempt:
    """What is known of the login of a connection."""

    lookup: Request[LoginBegin] | None = None
    """The request whose account is being looked up."""
    lookup_name: str = ""
    is_stale: bool = False
    """Whether the account has changed during the lookup."""
    is_found: bool = False
    """Whether the lookup is done and the reply waits for its time."""
    is_late: bool = False
    """Whether the time of the reply has come before the lookup was done."""
    challenged: str | None = None
    """The name that the last challenge was for."""
    account: Account | None = None
    """The account that was found last, if there is one."""
    proof: Request[Login] | None = None
    """The verified login that waits for the list of enrolled devices."""
    failures: int = 0
    is_failing: bool = False
    """Whether the reply to a failed login waits for its time."""
    has_probed: bool = False


@dataclass(slots=True, eq=False)
class Connection:
    """A control connection. ``handshake_hash`` is empty until the handshake is done."""

    number: int
    address: str
    network: str
    """The network of the address, which limits count by."""
    buckets: ConnectionBuckets
    last_heard: float
    handshake_hash: bytes = b""
    attempt: LoginAttempt = field(default_factory=LoginAttempt)
    session: Session | None = None
    budget: Budget | None = None
    """The budget of the account. None before the login, where the shell limits the bytes."""
    charged: float = 0.0
    """Microseconds that the present message has cost so far."""
    is_overdrawn: bool = False
    """Whether the budget was overdrawn when the present message came."""
    rests: int = 0
    """Pauses in reading, one after the other, because the budget of the account was used up."""
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
        """Send the reply. Called exactly once, at once or later: on the connection that the session has by then."""
        session = self.connection.session
        if session is not None:
            session.channel.send(message, self.request_id)
        else:
            self.outbox.send(self.connection.number, message, self.request_id)

    def refuse(self, refusal: Refusal) -> None:
        """Send a refusal as the reply. A notification gets no reply."""
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
        """Charge the account for the work that a message causes beside its reading.

        The work that is done at once is also measured, and is not charged twice.
        """
        if self.connection.budget is not None:
            self.connection.budget.spend(microseconds)
            self.connection.charged += microseconds
