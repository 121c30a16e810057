"""Known answers of the primitives that the wire is made of (their use is tested beside each module)."""

from __future__ import annotations

import hashlib

import pytest
from nacl.bindings import (
    crypto_box_afternm,
    crypto_box_beforenm,
    crypto_box_open_afternm,
    crypto_scalarmult_base,
    crypto_secretbox,
    crypto_secretbox_open,
)

# NaCl 20110221, tests/box.c, box2.c, secretbox.c, secretbox2.c (https://nacl.cr.yp.to); the keys are those of
# "Cryptography in NaCl" by D. J. Bernstein, section 2. Box and secretbox of that test give the same bytes, since the
# secretbox key is the shared key of the box.
ALICE_SECRET = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
BOB_SECRET = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
ALICE_PUBLIC = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
BOB_PUBLIC = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
SHARED = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
PLAINTEXT = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4"
    "1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52"
    "f0a089bc76897040e082f937763848645e0705"
)
BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b"
    "4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da"
    "99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)

# https://github.com/BLAKE2/BLAKE2, testvectors/blake2b-kat.txt: key 00..3f, input the first n of 00, 01, 02, …
BLAKE2B_KEYED = [
    (
        0,
        (
            "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
            "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568"
        ),
    ),
    (
        1,
        (
            "961f6dd1e4dd30f63901690c512e78e4b45e4742ed197c3c5e45c549fd25f2e4"
            "187b0bc9fe30492b16b0d0bc4ef9b0f34c7003fac09a5ef1532e69430234cebd"
        ),
    ),
    (
        2,
        (
            "da2cfbe2d8409a0f38026113884f84b50156371ae304c4430173d08a99d9fb1b"
            "983164a3770706d537f49e0c916d9f32b95cc37a95b99d857436f0232c88a965"
        ),
    ),
]


def test_secretbox() -> None:
    assert crypto_secretbox(PLAINTEXT, NONCE, SHARED) == BOX
    assert crypto_secretbox_open(BOX, NONCE, SHARED) == PLAINTEXT


def test_box() -> None:
    assert crypto_scalarmult_base(ALICE_SECRET) == ALICE_PUBLIC
    assert crypto_scalarmult_base(BOB_SECRET) == BOB_PUBLIC
    assert crypto_box_beforenm(BOB_PUBLIC, ALICE_SECRET) == crypto_box_beforenm(ALICE_PUBLIC, BOB_SECRET) == SHARED
    assert crypto_box_afternm(PLAINTEXT, NONCE, SHARED) == BOX
    assert crypto_box_open_afternm(BOX, NONCE, SHARED) == PLAINTEXT


@pytest.mark.parametrize(("size", "digest"), BLAKE2B_KEYED)
def test_keyed_blake2b(size: int, digest: str) -> None:
    assert hashlib.blake2b(bytes(range(size)), key=bytes(range(64))).hexdigest() == digest
