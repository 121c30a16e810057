"""The secret of an account: a password until its first use, the account key after it."""

from __future__ import annotations

from tcclient.core import events as core
from tcclient.errors import LoginRefused
from tcclient.transport.connection import Connection
from tcproto.identity import SigningKey


class AccountSecret:
    """Gives the account key for every login of one program. The password is kept only until the key is derived.

    The key is good for the server and the salt that it was derived for, and for no other.
    """

    def __init__(self, password: str) -> None:
        self._password: str | None = password
        self._derived: tuple[tuple[bytes, int, int], SigningKey] | None = None
        """Effective salt, bytes of memory and passes, with the key."""

    async def key(self, connection: Connection, asked: core.DeriveKey) -> SigningKey:
        """Return the key that a server asks for. The first call takes a tenth of a second and more.

        Raises ``LoginRefused`` if the server asks for another key than before: the password was changed, and is needed
        again. Raises ``RoomClosed`` if the session ends meanwhile.
        """
        wanted = (asked.salt, asked.memory_bytes, asked.passes)
        if self._derived is None:
            assert self._password is not None
            key = await connection.derive_key(self._password, *wanted)
            self._derived, self._password = (wanted, key), None
        known, key = self._derived
        if known != wanted:
            raise LoginRefused("the account has changed since the first login: give the password again")
        return key
