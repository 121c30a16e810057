"""From the lobby to a seat: the room, and the signature of the seat."""

from __future__ import annotations

from typing import NamedTuple

from nacl.bindings import crypto_scalarmult_base

from tcclient.core.login import Login
from tcclient.core.membership.distrust import Distrust
from tcclient.core.membership.lives import BoxKeys, Lives
from tcclient.core.membership.roster import OwnSeat
from tcproto import messages
from tcproto.control import ControlConnection
from tcproto.errors import CODES, ErrorCode, Refusal
from tcproto.identity import SigningKey
from tcproto.membership import MemberStatement
from tcproto.names import fold_room


class BoxPair(NamedTuple):
    """The box key of a seat."""

    public: bytes
    private: bytes


class SeatIdentity(NamedTuple):
    """Who sits here, and where."""

    fingerprint: bytes
    """The server's."""
    account: str
    name: str
    device: SigningKey
    box: BoxPair
    """The box key of the seat."""
    signed_at: int
    signature: bytes

    def seat(self, participant: int) -> OwnSeat:
        """Return the seat as the roster has to show it."""
        return OwnSeat(
            participant, self.account, self.name, self.device.public, self.box.public, self.signed_at, self.signature
        )


class Place(NamedTuple):
    """A seat that the server was asked for."""

    room: messages.RoomInfo
    box_keys: BoxKeys
    """Box keys of all that were in this life of the room."""
    identity: SeatIdentity


class Joining:
    """The dialogue of a join. Its messages go to ``control``.

    ``e2ee`` is the mode of the room as the link tells it, ``box_private`` the box key of the seat (32 bytes),
    ``signed_at`` the wall clock in ms. Raises ``ValueError`` for a name that no room can have.
    """

    def __init__(
        self,
        room: str,
        e2ee: bool,
        box_private: bytes,
        signed_at: int,
        login: Login,
        device: SigningKey,
        control: ControlConnection,
    ) -> None:
        self.place: Place | None = None
        """The seat, once the server has told of the room."""
        self._name = fold_room(room)
        self._e2ee = e2ee
        self._box = BoxPair(crypto_scalarmult_base(box_private), box_private)
        self._signed_at = signed_at
        self._login = login
        self._device = device
        self._control = control
        control.request(messages.OpenRoom(room, e2ee))  # as typed: a new room is shown so

    def opened(self, room: messages.RoomInfo, lives: Lives) -> None:
        """Request a seat in the room, with a signature of its owner; ``lives`` are those of this client.

        Raises ``Refusal`` if the room has another mode, ``Distrust`` if it is another room.
        """
        login, box, welcome = self._login, self._box, self._login.welcome
        assert welcome is not None
        if room.e2ee != self._e2ee:
            raise Refusal(ErrorCode.MODE_MISMATCH, CODES[ErrorCode.MODE_MISMATCH].text)
        if room.name != self._name:
            raise Distrust("the server opens another room than the one asked for")
        box_keys = lives.enter(login.fingerprint, room.name, room.life)
        account, name, signed_at = welcome.account, welcome.name, self._signed_at
        statement = MemberStatement(login.fingerprint, room.life, room.name, account, name, box.public, signed_at)
        signature = self._device.sign(statement.text())
        identity = SeatIdentity(login.fingerprint, account, name, self._device, box, signed_at, signature)
        self.place = Place(room, box_keys, identity)
        self._control.request(messages.Join(self._name, room.life, box.public, signed_at, signature))
