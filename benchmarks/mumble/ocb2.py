"""OCB2 with AES-128, which protects Mumble's voice.

After P. Rogaway, "Efficient Instantiations of Tweakable Blockciphers and Refinements to Modes OCB and PMAC" (2004), and
draft-krovetz-ocb-00, without associated data. Broken since 2019 (Inoue, Iwata, Minematsu, Poettering: plaintexts can be
made whose boxes are forged), so it is of use only to talk to servers that know nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks.harness.report import Missing

KEY_SIZE = NONCE_SIZE = TAG_SIZE = BLOCK = 16
_MASK = (1 << 128) - 1
_POLYNOMIAL = 0x87
"""x^7 + x^2 + x + 1, below x^128: the field of the offsets."""


class Ocb2:
    """A key of 16 bytes; raises ``Missing`` where there is no AES."""

    def __init__(self, key: bytes) -> None:
        self._encrypt, self._decrypt = _aes(key)

    def seal(self, plaintext: bytes, nonce: bytes) -> tuple[bytes, bytes]:
        """Return the ciphertext, of the same length, and the tag of 16 bytes."""
        offsets, pad = self._offsets(nonce, len(plaintext))
        blocks, rest = _split(plaintext)
        inner = self._encrypt(_join(map(int.__xor__, blocks, offsets)))
        ciphertext = _join(map(int.__xor__, _blocks(inner), offsets)) + _xor(rest, pad)
        return ciphertext, self._tag(blocks, rest, pad, offsets[-1])

    def open(self, ciphertext: bytes, nonce: bytes) -> tuple[bytes, bytes]:
        """Return the plaintext, and the tag that it should have had, which the caller has to compare."""
        offsets, pad = self._offsets(nonce, len(ciphertext))
        boxes, last = _split(ciphertext)
        inner = self._decrypt(_join(map(int.__xor__, boxes, offsets)))
        blocks, rest = list(map(int.__xor__, _blocks(inner), offsets)), _xor(last, pad)
        return _join(blocks) + rest, self._tag(blocks, rest, pad, offsets[-1])

    def _offsets(self, nonce: bytes, length: int) -> tuple[list[int], bytes]:
        """Return the offset of each block, the last of them too, and what hides the last block."""
        whole = max(0, length - 1) // BLOCK
        offset = int.from_bytes(self._encrypt(nonce), "big")
        offsets = [offset := _doubled(offset) for _ in range(whole + 1)]
        bits = 8 * (length - whole * BLOCK)
        return offsets, self._encrypt(_join([bits ^ offset]))

    def _tag(self, blocks: list[int], rest: bytes, pad: bytes, offset: int) -> bytes:
        checksum = offset ^ _doubled(offset) ^ int.from_bytes(rest + pad[len(rest) :], "big")
        for block in blocks:
            checksum ^= block
        return self._encrypt(_join([checksum]))


def _aes(key: bytes) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Return what encrypts and decrypts blocks, each on its own."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError:
        raise Missing("needs AES, which is not installed: pip install cryptography") from None
    cipher = Cipher(algorithms.AES(key), modes.ECB())
    return cipher.encryptor().update, cipher.decryptor().update


def _doubled(offset: int) -> int:
    return offset << 1 & _MASK ^ (_POLYNOMIAL if offset >> 127 else 0)


def _split(data: bytes) -> tuple[list[int], bytes]:
    """Return the whole blocks, and the last block of up to 16 bytes."""
    end = max(0, len(data) - 1) // BLOCK * BLOCK
    return _blocks(data[:end]), data[end:]


def _blocks(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + BLOCK], "big") for at in range(0, len(data), BLOCK)]


def _join(blocks: Iterable[int]) -> bytes:
    return b"".join(block.to_bytes(BLOCK, "big") for block in blocks)


def _xor(data: bytes, pad: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, pad, strict=False))
