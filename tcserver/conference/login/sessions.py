"""Who is logged in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import ClassRate, Limits, Login, Welcome
from tcproto.messages.types import MAX_TEXT_BYTES, MAX_TEXT_CHARS, TOKEN_SIZE
from tcserver.conference.context import Context
from tcserver.conference.effects import SessionEnded, SessionStarted
from tcserver.conference.limits.admission import Admission
from tcserver.conference.login.connection import Request, Session
from tcserver.conference.login.connections import Connections
from tcserver.conference.settings import MessageClass, Rate
from tcserver.records import Account, DuplicatePolicy, Standing

MAX_TOLD_BURST = 0xFFFF
"""What the field holds; a larger burst is as good as none."""
FULL_RETRY_MS = 5000
"""When to try again where the server is full, in ms: nobody knows when somebody leaves, and each try costs a login."""
ACCOUNT_PART = 0.25
"""Part of the logins of all that one account may make; the burst that is left lets an office in at once."""
NETWORK_PART = 0.5
"""Part of the logins of all that may come from one network: agencies behind one address."""


class Sessions:
    """All sessions, and how many an account may have."""

    def __init__(self, context: Context, connections: Connections, now: float) -> None:
        self._context = context
        self._connections = connections
        self._sessions: dict[int, Session] = {}
        self._by_account: dict[int, list[Session]] = {}
        """By the account's id, the oldest first."""
        self._admission = Admission(
            context.settings.login_rate, {"account": ACCOUNT_PART, "network": NETWORK_PART}, now
        )

    def __len__(self) -> int:
        """Sessions that are on."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Go through the sessions, as they are now."""
        return iter(list(self._sessions.values()))

    def start(self, request: Request[Login], account: Account, name: str, device_key: bytes) -> None:
        """Begin a session for somebody who has proved to be who they are, and welcome them.

        A device takes over the session that it had, never another's. Raises ``Refusal`` (``too_many_sessions``,
        ``server_full``, ``rate_limited``).
        """
        context, connection, now = self._context, request.connection, request.now
        replaced = self._replaced(account, device_key)
        if replaced is None and len(self._sessions) >= context.settings.max_sessions:
            raise Refusal(ErrorCode.SERVER_FULL, retry_after_ms=FULL_RETRY_MS)
        scopes = {"account": account.id, "network": connection.network}
        wait = self._admission.wait((account.id, device_key), scopes, now)
        if wait:
            raise Refusal(ErrorCode.RATE_LIMITED, "too many people log in at a time", round(wait * 1000) + 1)
        if replaced is not None:
            self._connections.hang_up(replaced.connection, ErrorCode.REPLACED, now)
        session = Session(context.session_ids.take(now), account, name, device_key, connection)
        self._sessions[session.number] = session
        self._by_account.setdefault(account.id, []).append(session)
        self._connections.log_in(connection, session, now)
        context.outbox.add(
            SessionStarted(session.number, account.name, name, device_key, connection.address, context.unix_ms())
        )
        request.reply(
            Welcome(
                session=session.number,
                account=account.name,
                agency=account.display,
                name=name,
                resume_token=context.random_bytes(TOKEN_SIZE),
                limits=self._limits(),
            )
        )

    def end(self, session: Session, now: float) -> None:
        """Forget a session."""
        del self._sessions[session.number]
        others = self._by_account[session.account.id]
        others.remove(session)
        if not others:
            del self._by_account[session.account.id]
        self._context.session_ids.free(session.number, now)
        self._context.outbox.add(SessionEnded(session.number, self._context.unix_ms()))

    def accounts_changed(self, standing: Standing, now: float) -> None:
        """End the sessions of accounts that are gone, disabled, banned or of another generation."""
        for session in self:
            ban = standing.bans.get(session.account.id)
            if ban is not None:
                self._connections.hang_up(session.connection, ErrorCode.BANNED, now, ban)
            elif not is_current(session.account, standing.generations):
                self._connections.hang_up(session.connection, ErrorCode.CREDENTIALS_CHANGED, now)

    def _replaced(self, account: Account, device_key: bytes) -> Session | None:
        """The session that a new one of the account takes the place of."""
        sessions = self._by_account.get(account.id, [])
        for session in sessions:
            if session.device_key == device_key:
                return session
        most = 1 if account.duplicates is DuplicatePolicy.REFUSE else account.max_sessions
        if len(sessions) < most:
            return None
        if account.duplicates is DuplicatePolicy.REPLACE:
            return sessions[0]
        raise Refusal(ErrorCode.TOO_MANY_SESSIONS)

    def _limits(self) -> Limits:
        settings = self._context.settings
        rates = {str(name): rate for name, rate in settings.rates.items()} | {"all": settings.total_rate}
        return Limits(
            text_chars=MAX_TEXT_CHARS,
            text_bytes=MAX_TEXT_BYTES,
            publications=settings.max_publications,
            participants=settings.max_participants,
            requests_per_second=int(settings.rates[MessageClass.OTHER].per_second),
            rates=tuple(_class_rate(name, rate) for name, rate in rates.items()),
        )


def _class_rate(name: str, rate: Rate) -> ClassRate:
    return ClassRate(name, round(rate.per_second * 60), min(rate.burst, MAX_TOLD_BURST))


def is_current(account: Account, generations: Mapping[int, int]) -> bool:
    """Tell whether an account is still enabled and unchanged; ``generations`` are those of all enabled accounts."""
    return generations.get(account.id) == account.generation
