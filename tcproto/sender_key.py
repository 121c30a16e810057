"""End-to-end keys: sender keys, the keys of publications, key boxes.

The sender key of a member goes to every other member in a key box. Each publication has a key of its own, derived from
the sender key. Stream ids would not be enough to tell publications apart: the server assigns them, and one that it
assigned twice would repeat headers under one key.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import NamedTuple

from nacl.bindings import crypto_box_afternm, crypto_box_beforenm, crypto_box_open_afternm
from nacl.exceptions import CryptoError

from tcproto.errors import CryptoFailure
from tcproto.membership import room_hash
from tcproto.messages.types import Kind, Source
from tcproto.secretbox import KEY_SIZE, NONCE_SIZE, TAG_SIZE

MAX_GENERATION = 250
"""After so many ratchets a new sender key is due. The field would hold 255."""
RATCHET_PERIOD = 600.0
"""Seconds after which a sender key goes to the next generation, even if nobody joined."""
MAX_FIRST_SEQUENCES = 28
"""The most streams in a key box, so that it fits ``SealedBox``, 512 bytes."""
KIND_CODES = {Kind.AUDIO: 1, Kind.VIDEO: 2, Kind.DATA: 3}
SOURCE_CODES = {
    Source.MICROPHONE: 1,
    Source.CAMERA: 2,
    Source.SCREEN: 3,
    Source.SCREEN_AUDIO: 4,
    Source.DATA: 5,
    Source.MICROPHONE_LOW: 6,
}
_RATCHET_LABEL = b"tc ratchet v1"
_STREAM_LABEL = b"tc stream v1"
_COMMITMENT_LABEL = b"tc commitment v2"
_BOX_LABEL = b"tc key box v2\0\0\0"
_SCHEME_SENDER_KEYS = 1
_BOX = Struct(">16s16s16s32s32s32s32sBBIB32sB")
_FIRST = Struct(">IBI")
_PUBLICATION = Struct(">16sIBB")


class SenderKey(NamedTuple):
    """The sender key of a member at one generation. ``number`` (u32) grows by one with every new key."""

    number: int
    generation: int
    key: bytes

    def ratcheted(self, generation: int | None = None) -> SenderKey:
        """Return the key at ``generation``, by default the next. There is no way back.

        Raises ``ValueError`` for a generation before this one or above ``MAX_GENERATION``.
        """
        target = self.generation + 1 if generation is None else generation
        if not self.generation <= target <= MAX_GENERATION:
            raise ValueError(f"cannot ratchet from generation {self.generation} to {target}")
        key = self.key
        for _ in range(target - self.generation):
            key = blake2b(_RATCHET_LABEL, key=key, digest_size=KEY_SIZE).digest()
        return SenderKey(self.number, target, key)

    def publication_key(self, life: bytes, publication: int, kind: int, source: int) -> bytes:
        """Return the key of a publication: BLAKE2b keyed with the sender key over label, life id, number, codes."""
        text = _STREAM_LABEL + _PUBLICATION.pack(life, publication, kind, source)
        return blake2b(text, key=self.key, digest_size=KEY_SIZE).digest()

    def commitment(self) -> bytes:
        """Return 32 bytes for beacons. They say which key this is without telling it; no second key has the same."""
        return blake2b(_COMMITMENT_LABEL, key=self.key, digest_size=32).digest()


class FirstSequence(NamedTuple):
    """The lowest valid sequence number of a layer of a publication. A receiver takes lower ones for replays."""

    publication: int
    spatial: int
    sequence: int


class Party(NamedTuple):
    """Sender or recipient of a key box: its device identity and the box key of its seat, both public."""

    device_key: bytes
    box_key: bytes


class BoxContext(NamedTuple):
    """What the recipient of a key box knows already, and compares with the box."""

    life: bytes
    room: str
    """Folded name of the room. The box has its ``room_hash``, so that all boxes have the same length."""
    e2ee: bool
    sender: Party
    recipient: Party


class OpenedBox(NamedTuple):
    """The content of a key box."""

    sender_key: SenderKey
    first_sequences: tuple[FirstSequence, ...]


def shared_key(own_private: bytes, other_public: bytes) -> bytes:
    """Return the shared key of a pair. It should be cached: it costs 38 µs, a box with it 2.4 µs.

    Raises ``CryptoFailure`` for a public key of low order.
    """
    try:
        return crypto_box_beforenm(other_public, own_private)
    except CryptoError as error:
        raise CryptoFailure("the box key is not a usable point") from error


def seal_key_box(context: BoxContext, opened: OpenedBox, shared: bytes, nonce: bytes) -> bytes:
    """Return nonce and box. ``nonce`` is 24 random bytes.

    Raises ``ValueError`` for more than ``MAX_FIRST_SEQUENCES`` sequences.
    """
    key, firsts = opened
    if len(firsts) > MAX_FIRST_SEQUENCES:
        raise ValueError(f"{len(firsts)} first sequences do not fit a key box")
    text = _BOX.pack(
        _BOX_LABEL,
        context.life,
        room_hash(context.room),
        context.sender.device_key,
        context.sender.box_key,
        context.recipient.device_key,
        context.recipient.box_key,
        _SCHEME_SENDER_KEYS,
        context.e2ee,
        key.number,
        key.generation,
        key.key,
        len(firsts),
    ) + b"".join(_FIRST.pack(*first) for first in firsts)
    return nonce + crypto_box_afternm(text, nonce, shared)


def open_key_box(context: BoxContext, box: bytes, shared: bytes) -> OpenedBox:
    """Open a key box and check every field of it.

    A box is symmetric: one that is sent back to its maker opens too. So the fields say who made it for whom. Raises
    ``CryptoFailure`` where it does not open, or where anything in it differs from ``context``.
    """
    if len(box) < NONCE_SIZE + TAG_SIZE:
        raise CryptoFailure("the key box is too short")
    try:
        text = crypto_box_open_afternm(box[NONCE_SIZE:], box[:NONCE_SIZE], shared)
        label, life, room, device, box_key, to_device, to_box, scheme, mode, number, generation, key, count = (
            _BOX.unpack_from(text)
        )
    except (CryptoError, StructError) as error:
        raise CryptoFailure("the key box does not open") from error
    found = (label, life, room, Party(device, box_key), Party(to_device, to_box), scheme, mode)
    here = (context.life, room_hash(context.room), context.sender, context.recipient)
    expected = (_BOX_LABEL, *here, _SCHEME_SENDER_KEYS, int(context.e2ee))
    if found != expected:
        raise CryptoFailure("the key box was made for something else")
    if generation > MAX_GENERATION or len(text) != _BOX.size + count * _FIRST.size:
        raise CryptoFailure("the key box is malformed")
    firsts = tuple(FirstSequence(*_FIRST.unpack_from(text, _BOX.size + i * _FIRST.size)) for i in range(count))
    return OpenedBox(SenderKey(number, generation, key), firsts)
