"""All sessions: their beginning, their connections, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from tcproto.account import verify_device_login
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import ClassRate, Limits, Login, Resume, Welcome
from tcproto.messages.types import MAX_TEXT_BYTES, MAX_TEXT_CHARS, TOKEN_SIZE
from tcserver.conference.context import Context
from tcserver.conference.effects import SessionEnded, SessionStarted
from tcserver.conference.limits.admission import Admission
from tcserver.conference.login.connection import Request
from tcserver.conference.login.connections import Connections
from tcserver.conference.login.session import FAREWELL, Channel, Ending, Session
from tcserver.conference.room.seat import Seat
from tcserver.conference.settings import MessageClass, Rate
from tcserver.records import Account, DuplicatePolicy, Standing

MAX_TOLD_BURST = 0xFFFF
"""The largest number that the field holds. A larger burst is as good as no limit."""
FULL_RETRY_MS = 5000
"""Milliseconds to wait where the server is full. Each attempt costs a login, and nobody knows when one may succeed."""
LEAVE_PATIENCE = 1.0
"""Seconds for a control connection to say what its client said before it left by a datagram, which is faster."""
ACCOUNT_PART = 0.25
"""Part of all logins per second that one account may use. The rest of the burst lets an office in at once."""
NETWORK_PART = 0.5
"""Part of all logins per second that one network may use. Several agencies may share one address."""


class Sessions:
    """All sessions. ``vacate`` takes the seat of a session away, if it has one."""

    def __init__(
        self,
        context: Context,
        connections: Connections,
        vacate: Callable[[Session, ErrorCode | None, float], None],
        now: float,
    ) -> None:
        self._context = context
        self._connections = connections
        self._vacate = vacate
        self._sessions: dict[int, Session] = {}
        self._by_token: dict[bytes, Session] = {}
        """By the token that resumes them."""
        self._by_account: dict[int, list[Session]] = {}
        """By the account's id, the oldest first."""
        self._admission = Admission(
            context.settings.login_rate, {"account": ACCOUNT_PART, "network": NETWORK_PART}, now
        )

    def __len__(self) -> int:
        """Number of sessions, those without a connection included."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Go through the sessions, as they are now."""
        return iter(list(self._sessions.values()))

    def start(self, request: Request[Login], account: Account, name: str, device_key: bytes) -> None:
        """Begin the session of a verified login, and send the welcome.

        It replaces an earlier session of the same device, never that of another one. Raises ``Refusal``
        (``too_many_sessions``, ``server_full``, ``rate_limited``).
        """
        context, connection, now = self._context, request.connection, request.now
        replaced = self._replaced(account, device_key)
        if replaced is None and len(self._sessions) >= context.settings.login.max_sessions:
            raise Refusal(ErrorCode.SERVER_FULL, retry_after_ms=FULL_RETRY_MS)
        scopes = {"account": account.id, "network": connection.network}
        wait = self._admission.wait((account.id, device_key), scopes, now)
        if wait:
            raise Refusal(ErrorCode.RATE_LIMITED, "too many logins at a time", round(wait * 1000) + 1)
        if replaced is not None:
            self.hang_up(replaced, ErrorCode.REPLACED, now)
        channel = Channel(context.outbox, connection.number, keeps=context.settings.limits.resume_s > 0)
        number, token = context.session_ids.take(now), context.random_bytes(TOKEN_SIZE)
        session = Session(
            number, account, name, device_key, connection.handshake_hash, channel, connection.address, token
        )
        self._sessions[number] = self._by_token[token] = session
        self._by_account.setdefault(account.id, []).append(session)
        self._connections.put(session, connection, now)
        context.outbox.add(
            SessionStarted(session.number, account.name, name, device_key, connection.address, context.unix_ms())
        )
        request.reply(
            Welcome(
                session=session.number,
                account=account.name,
                agency=account.display,
                name=name,
                resume_token=token,
                limits=self._limits(),
            )
        )

    def get(self, number: int) -> Session | None:
        """Return a session, or None where it has ended."""
        return self._sessions.get(number)

    def detached(self, session: Session, ending: Ending, now: float) -> None:
        """End a session whose connection has ended, or let it wait for another one, with its seat.

        A session without a seat ends: its client logs in again. If its seat was taken away, it waits to tell why. A
        seat that is still being opened is given up, because the reply to the join would be lost.
        """
        context, lifetime = self._context, self._context.settings.limits.resume_s
        has_seat = session.channel.keeps and self._seat(session) is not None
        is_worth_waiting = has_seat or session.evicted is not None
        if session.has_left or not lifetime or not ending.leaves_session or not is_worth_waiting:
            self.end(session, FAREWELL if session.has_left else ending, now)
            return
        session.channel.detach()
        context.timers.set(("detached", session.number), now + lifetime, partial(self._expire, session, ending))
        context.counters["session_detached"] += 1
        context.outbox.log("detached", **_who(session), **ending.fields())

    def _expire(self, session: Session, ending: Ending, now: float) -> None:
        self._context.counters["session_not_resumed"] += 1
        self.end(session, ending, now)

    def left(self, session: Session, now: float) -> None:
        """End a session whose client has left, and could perhaps not say so on its connection."""
        session.has_left = True
        if session.channel.connection is None:
            self.end(session, FAREWELL, now)
        else:
            self._context.timers.set(("detached", session.number), now + LEAVE_PATIENCE, partial(self._part, session))

    def _part(self, session: Session, now: float) -> None:
        number = session.channel.connection
        connection = None if number is None else self._connections.get(number)
        assert connection is not None  # without one the session has ended
        self._connections.farewell(connection, now)

    def resume(self, request: Request[Resume]) -> Session:
        """Put a session on the connection of a request, and close the one that it may still have; return the session.

        It has another token from now on. Messages that were lost can be sent again. Raises ``Refusal``: the reason for
        which the seat was taken away meanwhile; ``rate_limited``, which keeps it; or, for all else, ``cannot_resume``.
        """
        message, connection, now = request.message, request.connection, request.now
        session = self._by_token.get(message.token)
        if session is None or session.has_left or not _is_proven(session, message, connection.handshake_hash):
            raise Refusal(ErrorCode.CANNOT_RESUME)
        if session.evicted is not None:
            code, text = session.evicted.code, session.evicted.text
            self.hang_up(session, code, now, text)  # with the connection that it may still have
            raise Refusal(code, text)
        if self._seat(session) is None or not session.channel.can_attach(message.last_event):
            raise Refusal(ErrorCode.CANNOT_RESUME)
        wait = self._context.budget(session.account, now).wait(now)
        if wait:  # all that was lost, and a snapshot, are much for so small a message
            raise Refusal(ErrorCode.RATE_LIMITED, "the account asks too much of the server", int(wait * 1000) + 1)
        self._use_up(session, message.token)
        before, session.address = session.channel.connection, connection.address
        session.channel.attach(connection.number)
        self._context.timers.cancel(("detached", session.number))
        if before is not None and (replaced := self._connections.get(before)) is not None:
            self._connections.farewell(replaced, now)
        self._connections.put(session, connection, now)
        self._context.counters["session_resumed"] += 1
        self._context.outbox.log("resumed", **_who(session))
        return session

    def _use_up(self, session: Session, token: bytes) -> None:
        """Give a session another token than the one that was used, which stays good until something is heard."""
        self._by_token.pop(session.token if token == session.token_before else session.token_before, None)
        session.token_before, session.token = token, self._context.random_bytes(TOKEN_SIZE)
        self._by_token[session.token] = session

    def heard(self, session: Session) -> None:
        """Note that a client has said something on its connection: it has the token of the last resumption."""
        if session.token_before:
            del self._by_token[session.token_before]
            session.token_before = b""

    def hang_up(self, session: Session, code: ErrorCode, now: float, text: str = "") -> None:
        """End a session. If it has a connection, the client is told why."""
        number = session.channel.connection
        connection = None if number is None else self._connections.get(number)
        if connection is None:
            self.end(session, Ending(code, text), now)
        else:
            self._connections.hang_up(connection, code, now, text)

    def hang_up_all(self, code: ErrorCode, now: float) -> None:
        """End all sessions."""
        for session in self:
            self.hang_up(session, code, now)

    def end(self, session: Session, ending: Ending, now: float) -> None:
        """End a session, and its seat with it."""
        self._context.timers.cancel(("detached", session.number))
        self._context.timers.cancel(("password", session.number))
        session.parting = ending.parting
        self._vacate(session, ending.code, now)
        del self._sessions[session.number]
        self.heard(session)
        del self._by_token[session.token]
        others = self._by_account[session.account.id]
        others.remove(session)
        if not others:
            del self._by_account[session.account.id]
        self._context.session_ids.free(session.number, now)
        self._context.outbox.add(SessionEnded(session.number, self._context.unix_ms()))
        self._context.outbox.log("session_ended", **_who(session), **ending.fields())

    def accounts_changed(self, standing: Standing, now: float) -> None:
        """End the sessions of accounts that were removed, disabled, banned or changed."""
        for session in self:
            ban = standing.bans.get(session.account.id)
            if ban is not None:
                self.hang_up(session, ErrorCode.BANNED, now, ban)
            elif not session.is_changing_password and not is_current(session.account, standing.generations):
                self.hang_up(session, ErrorCode.CREDENTIALS_CHANGED, now)

    def _seat(self, session: Session) -> Seat | None:
        """Return the seat of a session, if it is open."""
        seat = self._context.seat_of.get(session.number)
        return seat if seat is not None and seat.is_open else None

    def _replaced(self, account: Account, device_key: bytes) -> Session | None:
        """Return the session that a new one of the account replaces."""
        sessions = self._by_account.get(account.id, [])
        for session in sessions:
            if session.device_key == device_key:
                return session
        most = 1 if account.duplicates is DuplicatePolicy.REFUSE else account.max_sessions
        if len(sessions) < most:
            return None
        for session in sessions:
            if session.channel.connection is None:
                return session  # who is away gives way to who is there
        if account.duplicates is DuplicatePolicy.REPLACE:
            return sessions[0]
        raise Refusal(ErrorCode.TOO_MANY_SESSIONS)

    def _limits(self) -> Limits:
        settings = self._context.settings
        rates = {str(name): rate for name, rate in settings.message_rates.items()} | {"all": settings.total_rate}
        return Limits(
            text_chars=MAX_TEXT_CHARS,
            text_bytes=MAX_TEXT_BYTES,
            publications=settings.limits.max_publications,
            participants=settings.rooms.max_participants,
            requests_per_second=int(settings.message_rates[MessageClass.OTHER].per_second),
            rates=tuple(_class_rate(name, rate) for name, rate in rates.items()),
        )


def _who(session: Session) -> dict[str, str | int]:
    """Return the fields of the log that name a session."""
    return {"session": session.number, "account": session.account.name, "address": session.address}


def _is_proven(session: Session, message: Resume, handshake_hash: bytes) -> bool:
    """Tell whether the device of a session signed this message for this connection."""
    account, device_key = session.account.name, session.device_key
    return message.device_key == device_key and verify_device_login(
        device_key, message.device_signature, handshake_hash, account
    )


def _class_rate(name: str, rate: Rate) -> ClassRate:
    return ClassRate(name, round(rate.per_second * 60), min(rate.burst, MAX_TOLD_BURST))


def is_current(account: Account, generations: Mapping[int, int]) -> bool:
    """Tell whether an account is still enabled and unchanged; ``generations`` are those of all enabled accounts."""
    return generations.get(account.id) == account.generation
