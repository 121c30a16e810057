"""Proofs of who is in a room: member signatures, the hash of the member set, the safety code."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from tcproto.identity import verify_signature

_MEMBER_LABEL = b"tc member v2\0"
_SET_LABEL = b"tc member set v2\0"
_ROOM_LABEL = b"tc room v1\0"
_SAFETY_LABEL = b"tc safety v2\0"
_GROUPS = 6
ROOM_HASH_SIZE = 16


class MemberStatement(NamedTuple):
    """What a member signs with its device identity. So a server cannot swap names or replay an old key."""

    fingerprint: bytes
    """20 bytes, of the server."""
    life: bytes
    room: str
    """Folded name of the room. So a server cannot show the life of one room as that of another."""
    account: str
    name: str
    box_key: bytes
    signed_at: int
    """Unix time in ms."""

    def text(self) -> bytes:
        """Return the signed bytes: label, then the fields. Strings are UTF-8 behind a length of 2 bytes."""
        words = _str16(self.room) + _str16(self.account) + _str16(self.name)
        return _MEMBER_LABEL + self.fingerprint + self.life + words + self.box_key + self.signed_at.to_bytes(8, "big")


def verify_member(statement: MemberStatement, signature: bytes, device_key: bytes) -> bool:
    """Tell whether the device identity made the signature. Never raises."""
    return verify_signature(device_key, statement.text(), signature)


def room_hash(folded: str) -> bytes:
    """Return 16 bytes for the folded name of a room. They stand for it in boxes that must be equally long."""
    return blake2b(_ROOM_LABEL + folded.encode(), digest_size=ROOM_HASH_SIZE).digest()


def member_set_hash(life: bytes, room: str, members: Iterable[tuple[str, bytes, bytes]]) -> bytes:
    """Return 16 bytes over life, folded room name and the sorted (account, device key, box key) of all seats."""
    digest = blake2b(_SET_LABEL + life + _str16(room), digest_size=16)
    for account, device_key, box_key in sorted(members):
        digest.update(_str16(account) + device_key + box_key)
    return digest.digest()


def safety_code(life: bytes, room: str, e2ee: bool, fingerprint: bytes, members: Iterable[tuple[str, bytes]]) -> str:
    """Return 30 digits in 6 groups. All members who see the same room, mode, server and devices get the same.

    ``room`` is the folded name. ``members`` are (account, device key) pairs; a device with two seats counts once. Each
    group is 5 bytes of a BLAKE2b digest, big-endian, modulo 100,000.
    """
    digest = blake2b(_SAFETY_LABEL + life + bytes((e2ee,)) + fingerprint + _str16(room), digest_size=5 * _GROUPS)
    for account, device_key in sorted(set(members)):
        digest.update(_str16(account) + device_key)
    code = digest.digest()
    return " ".join(f"{int.from_bytes(code[i : i + 5], 'big') % 100_000:05}" for i in range(0, 5 * _GROUPS, 5))


def _str16(word: str) -> bytes:
    data = word.encode()
    return len(data).to_bytes(2, "big") + data
