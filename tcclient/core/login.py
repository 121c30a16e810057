"""From the handshake to the welcome: the key of the server, and the proof of account and device."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core import events
from tcclient.core.events import Event
from tcclient.core.membership.distrust import Distrust
from tcproto import messages
from tcproto.account import (
    DEFAULT_MEMORY,
    DEFAULT_PASSES,
    SALT_SIZE,
    Challenge,
    check_costs,
    effective_salt,
    sign_account_change,
    sign_account_login,
    sign_device_login,
)
from tcproto.control import ControlConnection, HandshakeCompleted
from tcproto.errors import CryptoFailure, ErrorCode
from tcproto.identity import SigningKey, fingerprint

KIB = 1024


class Login:
    """The dialogue of a login. Its messages go to ``control``, its events to ``emit``.

    ``expected`` is the fingerprint of the server from the link or the pin, None where the application decides.
    """

    def __init__(
        self,
        expected: bytes | None,
        device: SigningKey,
        control: ControlConnection,
        emit: Callable[[Event], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.fingerprint = b""
        """Fingerprint of the server, once it has proved its key."""
        self.welcome: messages.Welcome | None = None
        self._expected = expected
        self._device = device
        self._control = control
        self._emit = emit
        self._random_bytes = random_bytes
        self._hash = b""
        self._login_hash = b""
        """The one of the connection that the session began on."""
        self._static = b""
        self._account = ""
        self._name = ""
        self._challenge: messages.LoginChallenge | None = None

    def handshake_completed(self, event: HandshakeCompleted) -> bool:
        """Check the key of the server; tell whether one was expected. Raises ``Distrust`` if it is another one."""
        self._hash, self._static = event.handshake_hash, event.remote_static
        self.fingerprint = fingerprint(event.remote_static)
        if self._expected not in (None, self.fingerprint):
            self._emit(events.WrongServerKey(self._expected, self.fingerprint))
            raise Distrust("the server's key is not the one expected", ErrorCode.BAD_HANDSHAKE)
        trusted = self._expected is not None
        self._emit(events.ServerKey(self.fingerprint, self._static, trusted))
        return trusted

    def follow(self, before: Login) -> None:
        """Go on with what the login before is known to be: this connection is to resume its session."""
        self._account, self._name, self._login_hash = before._account, before._name, before._login_hash
        self._challenge, self.welcome = before._challenge, before.welcome

    def resume(self, token: bytes, last_event: int) -> None:
        """Ask for the session of the login before. The signature is valid on this connection only."""
        signature = sign_device_login(self._device, self._hash, self._account)
        self._control.request(messages.Resume(token, self._device.public, signature, last_event))

    def begin(self, account: str, name: str) -> None:
        """Ask for the challenge of an account, by its folded name."""
        self._account, self._name = account, name
        self._control.request(messages.LoginBegin(account))

    def challenged(self, challenge: messages.LoginChallenge) -> None:
        """Have the account key derived. Raises ``Distrust`` for costs out of range, or for another account."""
        if challenge.account != self._account:
            raise Distrust("the server answered for another account than was asked for")
        memory, passes = challenge.memory_kib * KIB, challenge.passes
        try:
            check_costs(memory, passes)
        except CryptoFailure as error:
            text = f"the server asks for a password derivation that is too cheap or too dear: {error}"
            raise Distrust(text) from error
        self._challenge = challenge
        self._emit(self._derivation(Challenge(challenge.salt, memory, passes)))

    def account_key_derived(self, key: SigningKey) -> None:
        """Prove account and device. Both signatures are valid on this connection only."""
        public = self._device.public
        self._control.request(
            messages.Login(
                self._account,
                self._name,
                public,
                sign_account_login(key, self._hash, public, self._account),
                sign_device_login(self._device, self._hash, self._account),
            )
        )

    def password_keys(self) -> tuple[bytes, events.DeriveKey, events.DeriveKey]:
        """Return a random salt, and how the keys of the present and of a new password are derived."""
        assert self._challenge is not None
        salt = self._random_bytes(SALT_SIZE)
        present = Challenge(self._challenge.salt, self._challenge.memory_kib * KIB, self._challenge.passes)
        return salt, self._derivation(present), self._derivation(Challenge(salt, DEFAULT_MEMORY, DEFAULT_PASSES))

    def change_password(self, present: SigningKey, new: SigningKey, salt: bytes) -> int:
        """Give the account another password, by the keys that ``password_keys`` told; return the request id.

        ``RequestDone`` or ``RequestFailed`` follows. All other sessions of the account end.
        """
        challenge = Challenge(salt, DEFAULT_MEMORY, DEFAULT_PASSES)
        signature = sign_account_change(present, self._login_hash, self._account, new.public, challenge)
        memory_kib = challenge.memory_bytes // KIB
        return self._control.request(messages.ChangePassword(salt, memory_kib, challenge.passes, new.public, signature))

    def password_changed(self, change: messages.ChangePassword) -> None:
        """Take the password that the server has accepted for the present one."""
        self._challenge = messages.LoginChallenge(change.salt, change.memory_kib, change.passes, self._account)

    def _derivation(self, challenge: Challenge) -> events.DeriveKey:
        salt = effective_salt(self._static, self._account, challenge.salt)
        return events.DeriveKey(self._account, salt, challenge.memory_bytes, challenge.passes)

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Take the welcome. Raises ``Distrust`` if it is for another name, which this client would sign later."""
        if (welcome.account, welcome.name) != (self._account, self._name):
            raise Distrust("the server logs us in as somebody else than we asked for")
        self.welcome, self._login_hash = welcome, self._hash
        self._emit(events.LoggedIn(welcome.account, welcome.agency, welcome.name, welcome.limits))
