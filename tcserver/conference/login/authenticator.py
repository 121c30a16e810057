"""From a connection to a session: the challenge, the proof, and the same answer for every failure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

from tcproto.account import verify_account_login, verify_device_login
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Login, LoginBegin, LoginChallenge, Probe, ProbeTicket, Resume, Role
from tcproto.names import clean_display, fold_account, is_reserved
from tcproto.secretbox import KEY_SIZE
from tcserver.conference.context import Context
from tcserver.conference.effects import FindAccount, FindDevices
from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.login.back_off import BackOff
from tcserver.conference.login.connection import Connection, Request
from tcserver.conference.login.connections import Connections
from tcserver.conference.login.session import Session
from tcserver.conference.login.sessions import Sessions, is_current
from tcserver.conference.room.placement import place
from tcserver.media.interface import OpenTicket
from tcserver.records import Account

TICKET_LIFETIME = 10.0
"""Seconds in which a probe ticket can be used: a probe takes two round trips."""
TICKET_DATAGRAMS = 20
"""Datagrams that a ticket is good for: what a stranger can make the server answer."""

ANSWER_GRID = 0.01
"""Challenges and failed logins are answered at multiples of this time, in seconds, which hides a few µs of work."""
LOOKUP_RETRY_MS = 2000
"""Milliseconds to wait after the database did not answer. Another process has given up its lock by then."""
MAINTENANCE_RETRY_MS = 30_000
"""Milliseconds to wait during maintenance."""


class Authenticator:
    """Serves the messages of connections that have not logged in."""

    def __init__(self, context: Context, connections: Connections, sessions: Sessions, now: float) -> None:
        self._context = context
        self._sessions = sessions
        self._connections = connections
        self._tickets = TokenBucket(context.settings.ticket_rate, now)
        self._back_off = BackOff()

    def probe(self, request: Request[Probe]) -> None:
        """Give out a probe ticket."""
        context, attempt = self._context, request.connection.attempt
        if attempt.has_probed:
            raise Refusal(ErrorCode.BAD_REQUEST, "one probe ticket for a connection")
        wait = self._tickets.take(request.now)
        if wait:
            raise Refusal(ErrorCode.RATE_LIMITED, retry_after_ms=round(wait * 1000) + 1)
        attempt.has_probed = True
        worker = place((0,) * context.settings.media_workers, context.random_bytes)
        media_id, key = context.media_ids.take(request.now, worker), context.random_bytes(KEY_SIZE)
        # Free at once: the quarantine of the id outlasts the ticket.
        context.media_ids.free(media_id, request.now)
        context.outbox.command(OpenTicket(media_id, key, request.now + TICKET_LIFETIME, TICKET_DATAGRAMS))
        request.reply(ProbeTicket(media_id, key, int(TICKET_LIFETIME * 1000), TICKET_DATAGRAMS))

    def begin(self, request: Request[LoginBegin]) -> None:
        """Look the account up. The challenge follows after a fixed delay.

        Neither what the look-up finds nor how long it takes shows in the delay.
        """
        connection, attempt = request.connection, request.connection.attempt
        self._refuse_while_busy(connection)
        attempt.lookup_name = _folded(request.message.account)
        attempt.lookup = request
        attempt.challenged = attempt.account = None
        attempt.is_stale = attempt.is_found = attempt.is_late = False
        self._connections.named(connection, attempt.lookup_name, request.now)
        self._context.outbox.add(FindAccount(connection.number, attempt.lookup_name))
        self._challenge_at(connection, request.now + self._context.settings.challenge_delay)

    def account_found(self, connection: Connection, account: Account | None, now: float) -> None:
        """Take the account that was looked up; None where there is none."""
        attempt = connection.attempt
        if attempt.lookup is None:
            return
        if attempt.is_stale:
            attempt.is_stale = False
            self._context.outbox.add(FindAccount(connection.number, attempt.lookup_name))
            return
        attempt.account, attempt.is_found = account, True
        if attempt.is_late:
            self._challenge_at(connection, now)

    def lookup_failed(self, connection: Connection) -> None:
        """Refuse the login because the database did not answer, so that nobody takes the password for wrong."""
        attempt = connection.attempt
        request = attempt.lookup or attempt.proof
        if request is not None:
            attempt.lookup = attempt.proof = None
            self._context.timers.cancel(("challenge", connection.number))
            self._refuse(request, Refusal(ErrorCode.INTERNAL, "the account could not be looked up", LOOKUP_RETRY_MS))

    def login(self, request: Request[Login]) -> None:
        """Verify a login. Begin the session, or let the attempt fail."""
        message, connection = request.message, request.connection
        attempt = connection.attempt
        self._refuse_while_busy(connection)
        name = _folded(message.account)
        if name != attempt.challenged:
            raise Refusal(ErrorCode.BAD_REQUEST, "a login begins with its challenge")
        _clean(message.name)
        account = attempt.account
        by_account, by_device = self._signatures(connection, message)
        device = message.device_key if by_device else None
        wait = self._back_off.wait(name, device, connection.network, request.now)
        if wait:
            refusal = Refusal(ErrorCode.TOO_MANY_ATTEMPTS, retry_after_ms=ceil(wait * 1000))
            self._refuse_late(request, refusal, request.now)
        elif not by_account or not by_device or account is None or account.disabled:
            self._let_fail(request, device, request.now)
        elif account.devices_only:
            attempt.proof = request
            self._context.outbox.add(FindDevices(connection.number, account.name))
        else:
            self._let_in(request, account)

    def devices_found(self, connection: Connection, devices: Collection[bytes], now: float) -> None:
        """Go on with a verified login of an account that only enrolled devices may use."""
        attempt = connection.attempt
        request, attempt.proof = attempt.proof, None
        if request is None:
            return
        account = attempt.account
        if account is None or request.message.device_key not in devices:
            self._let_fail(request, request.message.device_key, now)
            return
        try:
            self._let_in(replace(request, now=now), account)
        except Refusal as refusal:
            self._refuse(request, refusal)

    def resume(self, request: Request[Resume]) -> Session:
        """Put a session on another connection, as ``Sessions.resume`` does; not while a login goes on."""
        self._refuse_while_busy(request.connection)
        return self._sessions.resume(request)

    def accounts_changed(self, connection: Connection, generations: Mapping[int, int]) -> None:
        """Keep logins that are under way from using an account that has changed meanwhile."""
        attempt = connection.attempt
        if attempt.lookup is None:
            if attempt.account is not None and not is_current(attempt.account, generations):
                attempt.account = None
        elif attempt.is_found:
            attempt.is_found = False
            self._context.outbox.add(FindAccount(connection.number, attempt.lookup_name))
        else:
            attempt.is_stale = True

    def _challenge_at(self, connection: Connection, earliest: float) -> None:
        self._context.timers.set(
            ("challenge", connection.number), on_grid(earliest), partial(self._challenge, connection)
        )

    def _challenge(self, connection: Connection, _now: float) -> None:
        """Send the challenge of the account, or a made-up one that looks the same."""
        attempt = connection.attempt
        request = attempt.lookup
        if request is None or not attempt.is_found:
            attempt.is_late = True
            return
        attempt.lookup, attempt.challenged = None, attempt.lookup_name
        account, context = attempt.account, self._context
        made_up = context.server.made_up_challenge(attempt.lookup_name, context.costs)
        challenge = account.challenge if account else made_up
        costs = challenge.memory_bytes // 1024, challenge.passes
        request.reply(LoginChallenge(challenge.salt, *costs, attempt.lookup_name))

    def _signatures(self, connection: Connection, message: Login) -> tuple[bool, bool]:
        """Tell whether the signatures by account and device are valid. The work is the same in all cases."""
        account, name = connection.attempt.account, connection.attempt.challenged or ""
        public = self._context.server.decoy_key if account is None else account.public_key
        handshake, device = connection.handshake_hash, message.device_key
        return (
            verify_account_login(public, message.account_signature, handshake, device, name),
            verify_device_login(device, message.device_signature, handshake, name),
        )

    def _let_in(self, request: Request[Login], account: Account) -> None:
        """Begin the session of a verified login. Raises ``Refusal`` where something else forbids it."""
        if account.banned is not None and account.is_banned(self._context.unix_ms() / 1000):
            raise Refusal(ErrorCode.BANNED, account.banned)
        if self._context.settings.server.maintenance and account.role is not Role.ADMIN:
            raise Refusal(ErrorCode.MAINTENANCE, retry_after_ms=MAINTENANCE_RETRY_MS)
        name = _clean(request.message.name)
        if is_reserved(name) and account.role is not Role.ADMIN:
            raise Refusal(ErrorCode.BAD_NAME, "the name is reserved, or looks like one that is")
        device = request.message.device_key
        self._sessions.start(request, account, name, device)
        self._back_off.succeeded(account.name, device)

    def _let_fail(self, request: Request[Login], device: bytes | None, now: float) -> None:
        """Count a failure. ``device`` has signed the login, None: it has not."""
        connection, first = request.connection, self._context.settings.login.back_off_s
        self._back_off.failed(connection.attempt.challenged or "", device, connection.network, first, now)
        self._refuse_late(request, Refusal(ErrorCode.BAD_CREDENTIALS), now)

    def _refuse_late(self, request: Request[Login], refusal: Refusal, now: float) -> None:
        """Refuse a login when the time for that has come."""
        attempt, delay = request.connection.attempt, self._context.settings.failed_login_delay
        attempt.failures += 1
        attempt.is_failing = True
        due = on_grid(max(now, request.now + delay))
        self._context.timers.set(
            ("failed login", request.connection.number), due, partial(self._fail, request, refusal)
        )

    def _refuse(self, request: Request[Any], refusal: Refusal) -> None:
        self._context.refusals[refusal.code] += 1
        request.refuse(refusal)

    def _fail(self, request: Request[Any], refusal: Refusal, now: float) -> None:
        connection, settings = request.connection, self._context.settings
        connection.attempt.is_failing = False
        account = connection.attempt.challenged or ""
        self._context.outbox.log("login_failed", account=account, address=connection.address, reason=refusal.code)
        self._refuse(request, refusal)
        if connection.attempt.failures >= settings.login.attempts:
            wait = self._back_off.wait(account, None, connection.network, now)
            retry_after_ms = ceil(max(wait, settings.failed_login_delay) * 1000)
            self._connections.hang_up(connection, ErrorCode.TOO_MANY_ATTEMPTS, now, retry_after_ms=retry_after_ms)

    def _refuse_while_busy(self, connection: Connection) -> None:
        attempt = connection.attempt
        if attempt.lookup is not None or attempt.proof is not None or attempt.is_failing:
            delay = self._context.settings.failed_login_delay
            raise Refusal(ErrorCode.RATE_LIMITED, "one login at a time", round(delay * 1000))


def on_grid(earliest: float) -> float:
    """Return the first multiple of ``ANSWER_GRID`` that is not before ``earliest``."""
    return ceil(earliest / ANSWER_GRID) * ANSWER_GRID


def _clean(name: str) -> str:
    try:
        return clean_display(name)
    except ValueError as error:
        raise Refusal(ErrorCode.BAD_NAME, str(error)) from None


def _folded(account: str) -> str:
    try:
        return fold_account(account)
    except ValueError as error:
        raise Refusal(ErrorCode.BAD_REQUEST, str(error)) from None
