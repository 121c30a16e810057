"""The sender keys of the other members, and the packets that wait for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from tcclient.core.media.packet import SealedPacket
from tcclient.core.membership.claims import Claims
from tcproto.beacon import ClockMapping
from tcproto.errors import CryptoFailure
from tcproto.keyring import MAX_KEYS, KeyRing, PublicationId
from tcproto.packet import KEY_NUMBER_BITS, Header, VideoHeader, open_packet
from tcproto.replay import SEQUENCE_WINDOW, CompactWindow, Verdict
from tcproto.sender_key import BoxContext, Party, open_key_box, shared_key
from tcproto.serial import wrapped

HOLD = 0.2
"""Seconds for which a packet waits for its sender key. The box comes by TCP and may be one round trip behind."""
MAX_HELD = 32
"""Packets of one sender that wait for a key. The oldest are dropped first."""
MAX_WINDOWS = 64
"""Layers of streams that are tracked for one sender without keys. The oldest is forgotten first: who turns a camera on
and off begins three each time. With keys a new one comes before there are so many."""


class BareRing:
    """Takes the place of a ``KeyRing`` in a room without end-to-end encryption. It only refuses replays."""

    def __init__(self) -> None:
        self._windows: dict[tuple[int, int], CompactWindow] = {}

    def open(self, header: Header, packet: bytes, publication: PublicationId, now: float) -> bytes:
        """Return the payload of a packet that is new. Raises as ``KeyRing.open``."""
        slot = (publication.number, header.spatial if isinstance(header, VideoHeader) else 0)
        window = self._windows.get(slot)
        if window is None:
            if len(self._windows) >= MAX_WINDOWS:
                del self._windows[next(iter(self._windows))]
            window = self._windows[slot] = CompactWindow(SEQUENCE_WINDOW)
        if window.check(header.sequence) is not Verdict.NEW:
            raise CryptoFailure("the sequence number is not new")
        payload = open_packet(packet, None)
        window.commit(header.sequence)
        return payload

    def is_new(self, header: Header, publication: PublicationId) -> bool:
        """Return whether a packet has not been delivered yet."""
        window = self._windows.get((publication.number, header.spatial if isinstance(header, VideoHeader) else 0))
        return window is None or window.check(header.sequence) is Verdict.NEW


class MemberKeys:
    """The keys of a verified member other than ourselves, and what its beacons say of them.

    ``own`` and ``box_private`` are of our seat.
    """

    def __init__(
        self, participant: int, party: Party, life: bytes, room: str, own: Party, box_private: bytes, e2ee: bool
    ) -> None:
        self.id = participant
        self.party = party
        self.ring: KeyRing | BareRing = KeyRing(life) if e2ee else BareRing()
        self.claims = Claims()
        self._box_private = box_private
        self._context = BoxContext(life, room, e2ee, party, own)
        self._shared: bytes | None = None
        self._numbers: deque[int] = deque(maxlen=MAX_KEYS)
        """Low bits of the key numbers that have arrived."""
        self._boxes: deque[tuple[bytes, int]] = deque(maxlen=MAX_KEYS)
        """The boxes that they came in, with the numbers."""
        self._held: deque[tuple[SealedPacket, PublicationId]] = deque(maxlen=MAX_HELD)

    @property
    def clocks(self) -> dict[int, ClockMapping]:
        """The newest clock mapping of each stream."""
        return self.claims.clocks

    def key_differs(self, now: float) -> bool:
        """Return True once for each key, when the member's beacon is found to commit to another key than it gave us."""
        return isinstance(self.ring, KeyRing) and self.claims.differs(self.ring, now)

    def forget(self, now: float) -> None:
        """Forget the keys that have expired."""
        if isinstance(self.ring, KeyRing):
            self.ring.forget(now)

    def shared(self) -> bytes:
        """Return the shared key of the two seats, made once. Raises ``CryptoFailure`` for an unusable box key."""
        if self._shared is None:
            self._shared = shared_key(self._box_private, self.party.box_key)
        return self._shared

    def opened_before(self, box: bytes) -> int | None:
        """Return the number of the key in a box that was opened, and came again; None for another one."""
        return next((number for before, number in self._boxes if before == box), None)

    def came_in_order(self, box: bytes) -> None:
        """Note that a box that was opened before has come in order with texts."""
        if isinstance(self.ring, KeyRing):
            self.ring.came_in_order(open_key_box(self._context, box, self.shared()))

    def open_box(self, box: bytes, now: float, *, in_order: bool = True) -> int:
        """Take a key box, and return the number of its key. Texts wait for one that came ``in_order`` with them.

        Raises ``CryptoFailure`` if it does not open, was made for another purpose, or its number is not new.
        """
        opened = open_key_box(self._context, box, self.shared())
        if not (isinstance(self.ring, KeyRing) and self.ring.add(opened, now, in_order=in_order)):
            raise CryptoFailure("the key is not new")
        number = opened.sender_key.number
        self._numbers.append(wrapped(number, KEY_NUMBER_BITS))
        self._boxes.append((box, number))
        return number

    def lacks_key(self, key_number: int) -> bool:
        """Return whether a box with this key number (its low 8 bits) may still come."""
        return isinstance(self.ring, KeyRing) and key_number not in self._numbers

    def hold(self, sealed: SealedPacket, publication: PublicationId) -> bool:
        """Keep a packet until its key comes. Return whether another packet was dropped for it."""
        full = len(self._held) == MAX_HELD
        self._held.append((sealed, publication))
        return full

    def released(self, now: float) -> tuple[list[tuple[SealedPacket, PublicationId]], int]:
        """Return the packets whose key has come, with their publications, and how many others waited too long."""
        held, expired = list(self._held), 0
        self._held.clear()
        ready = []
        for sealed, publication in held:
            if now >= sealed.received_at + HOLD:
                expired += 1
            elif self.lacks_key(sealed.header.key_number):
                self._held.append((sealed, publication))
            else:
                ready.append((sealed, publication))
        return ready, expired


class MemberKeyTable(dict[int, MemberKeys]):
    """The keys of all verified other members, by participant; ``own`` and ``box_private`` are of our seat."""

    def __init__(self, life: bytes, room: str, own: Party, box_private: bytes, *, e2ee: bool) -> None:
        super().__init__()
        self._life = life
        self._room = room
        self._own = own
        self._box_private = box_private
        self._e2ee = e2ee

    def follow(self, verified: Mapping[int, Party]) -> tuple[list[int], list[MemberKeys]]:
        """Keep those who are verified; return who is gone, and who has come. A new party at a seat is both."""
        gone = [i for i, member in self.items() if verified.get(i) != member.party]
        for i in gone:
            del self[i]
        come = [
            MemberKeys(i, party, self._life, self._room, self._own, self._box_private, self._e2ee)
            for i, party in verified.items()
            if i not in self
        ]
        self.update((member.id, member) for member in come)
        return gone, come
