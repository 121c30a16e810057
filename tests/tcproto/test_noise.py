from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from tcproto.errors import ErrorCode, ProtocolError
from tcproto.noise import (
    MAX_MESSAGE,
    MAX_NONCE,
    PROLOGUE,
    PROTOCOL_NAME,
    TAG_BYTES,
    CipherState,
    Initiator,
    Responder,
    SymmetricState,
)

INITIATOR_EPHEMERAL = bytes.fromhex("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a")
RESPONDER_EPHEMERAL = bytes.fromhex("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b")
RESPONDER_STATIC = bytes.fromhex("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893")

# Published vectors of Noise_NX_25519_ChaChaPoly_BLAKE2b, (prologue, handshake hash, [(payload, message)]): the first
# from https://github.com/mcginty/snow, tests/vectors/cacophony.txt; the second from https://github.com/plizonczyk/noiseprotocol,
# noise/tests/vectors/Noise_NX_25519_ChaChaPoly_BLAKE2b.json. Their keys are those above.
COMMON_TRANSPORT = [
    ("462e20412e20486179656b", "bbedcc446e8aea8a083113d1b32a290ba453cbdb7f18b3cbdc9e84"),
    ("4361726c204d656e676572", "a1a6f9f34b07e415516191df57e5dbc7c7e520e59077cf2b8bcd5f"),
    ("4a65616e2d426170746973746520536179", "b570f24ec64f2f1edc98a361c1e67e8df01e0c2267a59481ad41bb4ad0cbac11de"),
    (
        "457567656e2042f6686d20766f6e2042617765726b",
        "4492601a1fde255be23a84a895cf8581ede55d853e1e9e9a98930b8119b117dc6442d86252",
    ),
]
FIRST_MESSAGE = (
    "4c756477696720766f6e204d69736573",
    "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573",
)
VECTORS = [
    (
        "4a6f686e2047616c74",
        (
            "3ff872f53b259bc2261e0dd9acf12e7d2b2c22a32ebafc0474e26c47826d533f"
            "d0b744fc10bc9f5892d450059aa234c23f65818d647bcad3f8681a652157da34"
        ),
        [
            FIRST_MESSAGE,
            (
                "4d757272617920526f746862617264",
                (
                    "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843fdaf85de47075ed5e21615917ab01020"
                    "33d6d1386f48638b4a85564f1241fc9724442a45c3a4593c2807c7535264cb7c9e9cb8f278497efc16ced9b2105e10b8"
                    "9323f13d60f847508a32c040a993a5"
                ),
            ),
            *COMMON_TRANSPORT,
        ],
    ),
    (
        "50726f6c6f677565313233",
        (
            "33eabd4fcb103f61a849b3073324934d31da1ae482814292c40415098458f59b"
            "ac8e8c14b2729bf447abbbbf3ec0a0c1ee49cf2ded3838b19dc4701c2e7a50ee"
        ),
        [
            FIRST_MESSAGE,
            (
                "4d757272617920526f746862617264",
                (
                    "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843fdaf85de47075ed5e21615917ab01020"
                    "33d6d1386f48638b4a85564f1241fc9781c782b05b868dd767a953cdcd69bf069e9cb8f278497efc16ced9b2105e1041"
                    "d2fdcfdc697c92cc857afff31f9a76"
                ),
            ),
            *COMMON_TRANSPORT,
        ],
    ),
]


@pytest.mark.parametrize(("prologue", "handshake_hash", "messages"), VECTORS)
def test_published_vectors(prologue: str, handshake_hash: str, messages: list[tuple[str, str]]) -> None:
    initiator = Initiator(INITIATOR_EPHEMERAL, bytes.fromhex(prologue))
    responder = Responder(RESPONDER_STATIC, RESPONDER_EPHEMERAL, bytes.fromhex(prologue))
    (first, second, *transport) = [(bytes.fromhex(payload), bytes.fromhex(data)) for payload, data in messages]
    assert initiator.write_message(first[0]) == first[1]
    assert responder.read_message(first[1]) == first[0]
    assert not initiator.complete
    assert responder.write_message(second[0]) == second[1]
    assert initiator.read_message(second[1]) == second[0]
    assert initiator.complete
    assert responder.complete
    assert initiator.handshake_hash == responder.handshake_hash == bytes.fromhex(handshake_hash)
    assert initiator.remote_static == crypto_scalarmult_base(RESPONDER_STATIC)
    initiator_send, initiator_receive = initiator.split()
    responder_send, responder_receive = responder.split()
    for index, (payload, data) in enumerate(transport):
        send, receive = (
            (responder_send, initiator_receive) if index % 2 else (initiator_send, responder_receive)
        )  # the messages take turns, the initiator first
        assert send.encrypt(payload) == data
        assert receive.decrypt(data) == payload


@pytest.mark.parametrize("we_initiate", [True, False])
def test_with_an_independent_implementation(we_initiate: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of that package
        from noise.connection import Keypair, NoiseConnection

        other = NoiseConnection.from_name(PROTOCOL_NAME)
        other.set_prologue(PROLOGUE)
        us: Initiator | Responder
        if we_initiate:
            other.set_as_responder()
            other.set_keypair_from_private_bytes(Keypair.STATIC, RESPONDER_STATIC)
            other.start_handshake()
            us = initiator = Initiator()
            assert other.read_message(initiator.write_message(b"offer")) == b"offer"
            assert initiator.read_message(bytes(other.write_message(b"answer"))) == b"answer"
            assert initiator.remote_static == crypto_scalarmult_base(RESPONDER_STATIC)
        else:
            other.set_as_initiator()
            other.start_handshake()
            us = responder = Responder(RESPONDER_STATIC)
            assert responder.read_message(bytes(other.write_message(b"offer"))) == b"offer"
            assert other.read_message(responder.write_message(b"answer")) == b"answer"
        assert other.handshake_finished
        assert other.get_handshake_hash() == us.handshake_hash
        send, receive = us.split()
        for number in range(300):  # past the first byte of the nonce
            text = b"%d" % number * number
            assert other.decrypt(send.encrypt(text)) == text
            assert receive.decrypt(bytes(other.encrypt(text))) == text


def pair(payload: bytes = b"") -> tuple[Initiator, Responder, bytes, bytes]:
    initiator, responder = Initiator(INITIATOR_EPHEMERAL), Responder(RESPONDER_STATIC, RESPONDER_EPHEMERAL)
    first = initiator.write_message(payload)
    responder.read_message(first)
    return initiator, responder, first, responder.write_message(payload)


def bad_handshake(initiator: Initiator, second: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        initiator.read_message(second)
    assert caught.value.code is ErrorCode.BAD_HANDSHAKE
    with pytest.raises(RuntimeError):
        initiator.split()


def flips(message: bytes) -> list[bytes]:
    value = int.from_bytes(message, "big")
    return [(value ^ 1 << bit).to_bytes(len(message), "big") for bit in range(8 * len(message))]


@pytest.mark.parametrize("payload", [b"", b"offer"])
def test_any_change_of_the_second_message_is_refused(payload: bytes) -> None:
    *_, second = pair(payload)
    for length in range(len(second)):
        bad_handshake(pair(payload)[0], second[:length])
    for changed in [*flips(second), second + b"\0", bytes(MAX_MESSAGE + 1)]:
        bad_handshake(pair(payload)[0], changed)


@pytest.mark.parametrize("payload", [b"", b"offer"])
def test_any_change_of_the_first_message_breaks_the_handshake(payload: bytes) -> None:
    first = pair(payload)[2]
    for changed in [*flips(first), first + b"\0", *(first[:length] for length in range(32, len(first)))]:
        responder = Responder(RESPONDER_STATIC, RESPONDER_EPHEMERAL)
        responder.read_message(changed)
        bad_handshake(pair(payload)[0], responder.write_message())


@pytest.mark.parametrize("message", [*(bytes(length) for length in range(32)), bytes(MAX_MESSAGE + 1)])
def test_first_messages_of_impossible_size_are_refused(message: bytes) -> None:
    responder = Responder(RESPONDER_STATIC)
    with pytest.raises(ProtocolError) as caught:
        responder.read_message(message)
    assert caught.value.code is ErrorCode.BAD_HANDSHAKE
    with pytest.raises(RuntimeError):
        responder.write_message()


def test_a_different_prologue_is_refused() -> None:
    responder = Responder(RESPONDER_STATIC, prologue=b"tc noise 2")
    initiator = Initiator()
    responder.read_message(initiator.write_message())
    bad_handshake(initiator, responder.write_message())


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_the_initiator(message: bytes) -> None:
    initiator = Initiator(INITIATOR_EPHEMERAL)
    initiator.write_message()
    bad_handshake(initiator, message)


# The points of small order and their other encodings, from https://cr.yp.to/ecdh.html ("validate").
SMALL_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    *(((1 << 255) - 19 + offset).to_bytes(32, "little") for offset in (-1, 0, 1)),
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_points_of_small_order_are_refused(point: bytes) -> None:
    responder = Responder(RESPONDER_STATIC)
    responder.read_message(point)
    with pytest.raises(ProtocolError) as caught:
        responder.write_message()
    assert caught.value.code is ErrorCode.BAD_HANDSHAKE
    initiator = Initiator()
    initiator.write_message()
    bad_handshake(initiator, point + bytes(64))


def test_the_largest_handshake_messages() -> None:
    initiator, responder = Initiator(), Responder(RESPONDER_STATIC)
    first = initiator.write_message(bytes(MAX_MESSAGE - 32))
    assert len(first) == MAX_MESSAGE
    assert responder.read_message(first) == bytes(MAX_MESSAGE - 32)
    second = responder.write_message(bytes(MAX_MESSAGE - 96))
    assert len(second) == MAX_MESSAGE
    assert initiator.read_message(second) == bytes(MAX_MESSAGE - 96)
    with pytest.raises(ValueError, match="handshake message of 65536"):
        Initiator().write_message(bytes(MAX_MESSAGE - 31))


def test_the_order_is_kept() -> None:
    initiator, responder = Initiator(), Responder(RESPONDER_STATIC)
    calls: list[Callable[[], object]] = [
        lambda: initiator.read_message(bytes(96)),
        lambda: responder.write_message(),
        lambda: initiator.split(),
        lambda: responder.split(),
        lambda: initiator.handshake_hash,
        lambda: initiator.remote_static,
    ]
    for premature in calls:
        with pytest.raises(RuntimeError, match="not now"):
            premature()
    responder.read_message(initiator.write_message())
    with pytest.raises(RuntimeError, match="not now"):
        initiator.write_message()
    initiator.read_message(responder.write_message())
    for side in (initiator, responder):
        side.split()
        with pytest.raises(RuntimeError, match="repeat the nonces"):
            side.split()


def test_drawn_keys_differ() -> None:
    assert Initiator().write_message() != Initiator().write_message()


def test_transport_refuses_changes_replays_and_reordering() -> None:
    initiator, responder, _, second = pair()
    initiator.read_message(second)
    send, receive = initiator.split()[0], responder.split()[1]
    one, two = send.encrypt(b"one", b"ad"), send.encrypt(b"two")
    refused: list[tuple[bytes, bytes]] = [(two, b""), (one, b""), (one, b"da"), (one + b"\0", b"ad")]
    refused += [(one[:length], b"ad") for length in range(len(one))] + [(changed, b"ad") for changed in flips(one)]
    refused.append((bytes(MAX_MESSAGE + 1), b"ad"))
    for ciphertext, ad in refused:
        with pytest.raises(ProtocolError) as caught:
            receive.decrypt(ciphertext, ad)
        assert caught.value.code is ErrorCode.BAD_FRAME
    assert receive.decrypt(one, b"ad") == b"one"
    with pytest.raises(ProtocolError):
        receive.decrypt(one, b"ad")
    assert receive.decrypt(two) == b"two"


def test_sizes_of_transport_messages() -> None:
    send, receive = CipherState(bytes(32)), CipherState(bytes(32))
    assert len(send.encrypt(b"")) == TAG_BYTES
    assert receive.decrypt(CipherState(bytes(32)).encrypt(b"")) == b""
    largest = send.encrypt(bytes(MAX_MESSAGE - TAG_BYTES))
    assert len(largest) == MAX_MESSAGE
    assert receive.decrypt(largest) == bytes(MAX_MESSAGE - TAG_BYTES)
    with pytest.raises(ValueError, match="plain text of 65520"):
        send.encrypt(bytes(MAX_MESSAGE - TAG_BYTES + 1))


def test_the_last_nonce_is_never_used() -> None:
    send, receive = CipherState(bytes(32), MAX_NONCE - 1), CipherState(bytes(32), MAX_NONCE - 1)
    last = send.encrypt(b"x")
    assert receive.decrypt(last) == b"x"
    for exhausted in (lambda: send.encrypt(b"x"), lambda: receive.decrypt(last)):
        with pytest.raises(ProtocolError, match="nonces"):
            exhausted()


def test_long_protocol_names_are_hashed() -> None:
    assert SymmetricState(PROTOCOL_NAME).hash == PROTOCOL_NAME + bytes(64 - len(PROTOCOL_NAME))
    assert SymmetricState(b"n" * 64).hash == b"n" * 64
    assert SymmetricState(b"n" * 65).hash == hashlib.blake2b(b"n" * 65).digest()
