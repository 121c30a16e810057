"""Changes of passwords by the accounts themselves."""

from __future__ import annotations

from functools import partial

from tcproto.account import Challenge, check_costs, verify_account_change
from tcproto.errors import CryptoFailure, ErrorCode, Refusal
from tcproto.messages import ChangePassword, Ok
from tcserver.conference.context import Context
from tcserver.conference.effects import SavePassword
from tcserver.conference.login.connection import Request
from tcserver.conference.login.sessions import Sessions
from tcserver.records import Account

FAILED_SAVE_RETRY_MS = 2000
"""Milliseconds to wait after a password could not be written. Another process has given up its lock by then."""


class Passwords:
    """Checks changes of passwords, and has them written. A session makes one change at a time."""

    def __init__(self, context: Context, sessions: Sessions) -> None:
        self._context = context
        self._sessions = sessions
        self._changing: dict[int, Request[ChangePassword]] = {}
        """Requests that are being written, by session."""

    def change(self, request: Request[ChangePassword]) -> None:
        """Have a password written that the old one has signed. A wrong signature is answered as a failed login is."""
        message, session, context = request.message, request.session, self._context
        challenge = Challenge(message.salt, message.memory_kib * 1024, message.passes)
        try:
            check_costs(challenge.memory_bytes, challenge.passes)
        except CryptoFailure as failure:
            raise Refusal(ErrorCode.BAD_REQUEST, str(failure)) from None
        delay = context.settings.failed_login_delay
        if session.is_changing_password or context.timers.when(("password", session.number)) is not None:
            raise Refusal(ErrorCode.RATE_LIMITED, "one change of the password at a time", round(delay * 1000))
        account = session.account
        signed = verify_account_change(
            account.public_key, message.signature, session.handshake_hash, account.name, message.public_key, challenge
        )
        if signed:
            session.is_changing_password = True
            self._changing[session.number] = request
            context.outbox.add(
                SavePassword(session.number, account.name, account.public_key, challenge, message.public_key)
            )
        else:
            context.timers.set(("password", session.number), request.now + delay, partial(self._fail, request))

    def saved(self, number: int, account: Account | None, now: float) -> None:
        """Go on with the account as it is stored now, None where it could not be written; end its other sessions.

        ``number`` is that of the session, which may have ended meanwhile.
        """
        request = self._changing.pop(number)
        session = request.session
        session.is_changing_password = False
        if account is None:
            text = "the password could not be saved"
            self._refuse(request, Refusal(ErrorCode.INTERNAL, text, FAILED_SAVE_RETRY_MS))
            return
        session.account = account
        self._context.outbox.log("password_changed", account=account.name, session=number)
        request.reply(Ok())
        for other in self._sessions:
            if other is not session and other.account.id == account.id:
                self._sessions.hang_up(other, ErrorCode.CREDENTIALS_CHANGED, now)

    def _fail(self, request: Request[ChangePassword], _now: float) -> None:
        self._context.outbox.log(
            "password_not_changed", account=request.session.account.name, by=request.session.number
        )
        self._refuse(request, Refusal(ErrorCode.BAD_CREDENTIALS))

    def _refuse(self, request: Request[ChangePassword], refusal: Refusal) -> None:
        self._context.refusals[refusal.code] += 1
        request.refuse(refusal)
