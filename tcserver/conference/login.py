"""From a connection to a session: the challenge, the proof, and the same answer for every failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from tcproto.account import verify_account_login, verify_device_login
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Login, LoginBegin, LoginChallenge, Probe, ProbeTicket
from tcproto.names import clean_display, fold_account, is_reserved
from tcserver.conference.connection import Call, Connection
from tcserver.conference.connections import Connections
from tcserver.conference.context import Context
from tcserver.conference.effects import FindAccount
from tcserver.conference.limiter import TokenBucket
from tcserver.conference.placement import place
from tcserver.conference.sealer import KEY_SIZE
from tcserver.conference.sessions import Sessions, is_current
from tcserver.plane import OpenTicket
from tcserver.records import Account, Role

TICKET_LIFETIME = 10.0
"""Seconds in which a probe ticket can be used: a probe takes two round trips."""
TICKET_DATAGRAMS = 20
"""Datagrams that a ticket is good for: what a stranger can make the server answer."""


class LoginDesk:
    """Serves connections that have not logged in."""

    def __init__(self, context: Context, connections: Connections, sessions: Sessions, now: float) -> None:
        self._context = context
        self._sessions = sessions
        self._connections = connections
        self._tickets = TokenBucket(context.settings.ticket_rate, now)

    def probe(self, call: Call[Probe]) -> None:
        """Give out a probe ticket."""
        context, attempt = self._context, call.connection.attempt
        if attempt.has_probed:
            raise Refusal(ErrorCode.BAD_REQUEST, "one probe ticket for a connection")
        wait = self._tickets.take(call.now)
        if wait:
            raise Refusal(ErrorCode.RATE_LIMITED, retry_after_ms=round(wait * 1000) + 1)
        attempt.has_probed = True
        slot = place((0,) * context.settings.media_slots, context.random_bytes)
        media_id, key = context.media_ids.take(call.now, slot), context.random_bytes(KEY_SIZE)
        # Free at once: the quarantine of the id outlasts the ticket.
        context.media_ids.free(media_id, call.now)
        context.outbox.command(OpenTicket(media_id, key, call.now + TICKET_LIFETIME, TICKET_DATAGRAMS))
        call.reply(ProbeTicket(media_id, key, int(TICKET_LIFETIME * 1000), TICKET_DATAGRAMS))

    def begin(self, call: Call[LoginBegin]) -> None:
        """Look the account up; the challenge follows."""
        attempt = call.connection.attempt
        self._refuse_while_busy(call.connection)
        attempt.lookup_name = _folded(call.message.account)
        attempt.lookup = call
        attempt.is_stale = False
        self._connections.named(call.connection, attempt.lookup_name, call.now)
        self._context.outbox.add(FindAccount(call.connection.number, attempt.lookup_name))

    def account_found(self, connection: Connection, account: Account | None, devices: Iterable[bytes]) -> None:
        """Send the challenge: the account's, or one that looks as real."""
        attempt = connection.attempt
        call = attempt.lookup
        if call is None:
            return
        if attempt.is_stale:
            attempt.is_stale = False
            self._context.outbox.add(FindAccount(connection.number, attempt.lookup_name))
            return
        attempt.lookup = None
        attempt.challenged, attempt.account, attempt.devices = attempt.lookup_name, account, frozenset(devices)
        challenge = account.challenge if account else self._context.server.made_up_challenge(attempt.lookup_name)
        call.reply(LoginChallenge(challenge.salt, challenge.memory_bytes // 1024, challenge.passes))

    def login(self, call: Call[Login]) -> None:
        """Verify the login, and begin the session or let the attempt fail."""
        message, connection = call.message, call.connection
        attempt = connection.attempt
        self._refuse_while_busy(connection)
        if _folded(message.account) != attempt.challenged:
            raise Refusal(ErrorCode.BAD_REQUEST, "a login begins with its challenge")
        try:
            name = clean_display(message.name)
        except ValueError as error:
            raise Refusal(ErrorCode.BAD_NAME, str(error)) from None
        account = attempt.account
        if not self._is_proven(connection, message) or account is None:
            attempt.failures += 1
            attempt.is_failing = True
            due = call.now + self._context.settings.failed_login_delay
            self._context.timers.set(("failed login", connection.number), due, partial(self._fail, call))
            return
        if is_reserved(name) and account.role is not Role.ADMIN:
            raise Refusal(ErrorCode.BAD_NAME, "the name is reserved, or looks like one that is")
        self._sessions.start(call, account, name, message.device_key)

    def accounts_changed(self, connection: Connection, generations: Mapping[int, int]) -> None:
        """Let no login that is under way pass with an account as it was."""
        attempt = connection.attempt
        attempt.is_stale = attempt.lookup is not None
        if attempt.account is not None and not is_current(attempt.account, generations):
            attempt.account = None

    def _is_proven(self, connection: Connection, message: Login) -> bool:
        """Whether both signatures hold and the account may be used so; as much work for any name and any reason."""
        attempt, account = connection.attempt, connection.attempt.account
        name = attempt.challenged or ""
        public = self._context.server.decoy_key if account is None else account.public_key
        checks = (
            verify_account_login(
                public, message.account_signature, connection.handshake_hash, message.device_key, name
            ),
            verify_device_login(message.device_key, message.device_signature, connection.handshake_hash, name),
            account is not None and not account.disabled,
            account is not None and (not account.devices_only or message.device_key in attempt.devices),
        )
        return all(checks)

    def _fail(self, call: Call[Any], now: float) -> None:
        connection, settings = call.connection, self._context.settings
        connection.attempt.is_failing = False
        self._context.outbox.log(
            "login_failed", account=connection.attempt.challenged or "", address=connection.address
        )
        self._context.refusals[ErrorCode.BAD_CREDENTIALS] += 1
        call.refuse_code(ErrorCode.BAD_CREDENTIALS)
        if connection.attempt.failures >= settings.login_attempts:
            self._connections.hang_up(connection, ErrorCode.TOO_MANY_ATTEMPTS, now)

    def _refuse_while_busy(self, connection: Connection) -> None:
        attempt = connection.attempt
        if attempt.lookup is not None or attempt.is_failing:
            delay = self._context.settings.failed_login_delay
            raise Refusal(ErrorCode.RATE_LIMITED, "one login at a time", round(delay * 1000))


def _folded(account: str) -> str:
    try:
        return fold_account(account)
    except ValueError as error:
        raise Refusal(ErrorCode.BAD_REQUEST, str(error)) from None
