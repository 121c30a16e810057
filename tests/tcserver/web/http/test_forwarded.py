"""Whom a reverse proxy asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.http.forwarded import client_of


def is_trusted(address: str) -> bool:
    return address.startswith("10.")


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ('for="192.0.2.1:4711"; proto=https;host=a.example', "192.0.2.1"),
        ('FOR="[2001:DB8::1]:4711"', "2001:db8::1"),
        ('proto=https;for="[2001:db8::1]"', "2001:db8::1"),
        ("for=6.6.6.6, for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.1, for=10.0.0.1,for=10.0.0.2", "192.0.2.1"),
        ("for=10.0.0.1, for=10.0.0.2", "10.0.0.1"),
        (r'by="a\"b";for=192.0.2.1', "192.0.2.1"),
        ("for=192.0.2.1, for=unknown", None),
        ("for=192.0.2.1, proto=https", None),
        ("for=192.0.2.1:x", None),
        ("for=192.0.2.1 for=192.0.2.2", None),
        ("for", None),
        ('for="192.0.2.1', None),
        (";;", None),
        ("", None),
    ],
)
def test_the_last_that_is_no_proxy(header: str, client: str | None) -> None:
    assert client_of(header, is_trusted) == client


@given(st.text(alphabet='for=;,"\\ 1.[]:a') | st.text())
def test_nothing_raises(header: str) -> None:
    client_of(header, is_trusted)
