"""The box, by both ways to libsodium."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_secretbox

from tcproto import secretbox
from tcproto.errors import CryptoFailure
from tcproto.secretbox import fast_functions, passes, safe_box, safe_unbox
from tests.support.mutations import bit_flips, truncations

KEY, NONCE = bytes(range(32)), bytes(range(24))
sodium = pytest.importorskip("nacl._sodium", reason="this PyNaCl has another binding: only the public way is there")
WAYS = [(safe_box, safe_unbox), fast_functions(sodium.lib)]


@pytest.mark.parametrize(("box", "unbox"), WAYS)
class TestBothWays:
    @given(plaintext=st.binary(max_size=1300), nonce=st.binary(min_size=24, max_size=24))
    def test_they_agree_with_nacl(self, box, unbox, plaintext, nonce):
        data = box(plaintext, nonce, KEY)
        assert data == crypto_secretbox(plaintext, nonce, KEY)
        assert unbox(data, nonce, KEY) == plaintext

    @pytest.mark.parametrize("size", [0, 1, 2, 40])
    def test_nothing_else_opens(self, box, unbox, size):
        data = box(bytes(size), NONCE, KEY)
        for wrong in (*bit_flips(data), *truncations(data), data + b"x"):
            with pytest.raises(CryptoFailure):
                unbox(wrong, NONCE, KEY)
        for nonce, key in ((NONCE[::-1], KEY), (NONCE, KEY[::-1])):
            with pytest.raises(CryptoFailure):
                unbox(data, nonce, key)
        assert unbox(data, NONCE, KEY) == bytes(size)

    def test_results_are_apart_from_one_another(self, box, unbox):
        boxes = [box(bytes((n,)) * n, NONCE, KEY) for n in range(40)]
        plaintexts = [unbox(data, NONCE, KEY) for data in boxes]
        assert plaintexts == [bytes((n,)) * n for n in range(40)]
        assert bytes(1) == b"\0"

    @pytest.mark.parametrize(("nonce", "key"), [(NONCE[:-1], KEY), (NONCE, KEY[:-1]), (b"", KEY), (NONCE, KEY + b"x")])
    def test_sizes_are_checked(self, box, unbox, nonce, key):
        with pytest.raises(ValueError, match=r"bytes|[Ii]nvalid"):
            box(b"text", nonce, key)
        with pytest.raises(ValueError, match="bytes"):
            unbox(bytes(40), nonce, key)


class TestSelfTest:
    def test_the_fast_way_is_taken_where_it_works(self):
        assert passes(*WAYS[1])
        assert secretbox.box.__name__ == "fast_box"

    @pytest.mark.parametrize(
        ("box", "unbox"),
        [
            (lambda plaintext, nonce, key: bytes(len(plaintext) + 16), safe_unbox),
            (safe_box, lambda data, nonce, key: bytes(len(data) - 16)),
            (safe_box, lambda data, nonce, key: safe_unbox(safe_box(data[16:], nonce, key), nonce, key)),
            (lambda plaintext, nonce, key: safe_box(plaintext, nonce, b""), safe_unbox),
        ],
    )
    def test_what_does_something_else_is_not(self, box, unbox):
        assert not passes(box, unbox)

    def test_a_binding_without_the_functions_is_an_attribute_error(self):
        with pytest.raises(AttributeError):
            fast_functions(object())

    def test_without_the_private_binding_the_public_way_is_taken(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "nacl._sodium", None)
        assert secretbox.choose() == (safe_box, safe_unbox)
