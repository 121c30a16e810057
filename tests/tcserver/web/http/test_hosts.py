"""Names that a request may have, and pages that may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.http.hosts import MAX_HOST, HostNames, host_of

NAMES = HostNames(["conference.example", "*.wild.example", "Rapat.Example.", "bücher.example", ""])


@pytest.mark.parametrize(
    ("field", "host"),
    [
        ("a.example", "a.example"),
        ("A.Example:8443", "a.example"),
        ("a.example.", "a.example"),
        ("192.0.2.1:1", "192.0.2.1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("", None),
        (":443", None),
        ("a:b", None),
        ("a:99999", None),
        ("a/b", None),
        ("a?b", None),
        ("a#b", None),
        ("user@a", None),
        ("[a", None),
        ("ü.example", "xn--tda.example"),
        (f"{'a.' * 126}b:65535", f"{'a.' * 126}b"),
        ("ü" * (MAX_HOST + 1), None),
        ("ü." * 8000, None),
        (f"a{'.' * MAX_HOST}", None),
    ],
)
def test_host_of_a_field(field: str, host: str | None) -> None:
    assert host_of(field) == host


@pytest.mark.parametrize(
    "host", ["conference.example", "a.wild.example", "rapat.example", "localhost", "127.0.0.1", "::1"]
)
def test_own_names_and_all_addresses(host: str) -> None:
    assert NAMES.has(host)


def test_names_are_compared_as_browsers_send_them() -> None:
    assert NAMES.has("xn--bcher-kva.example")


@pytest.mark.parametrize(
    "host", ["evil.example", "wild.example", "a.b.wild.example", "conference.example.evil", "", "example"]
)
def test_names_of_others(host: str) -> None:
    assert not NAMES.has(host)


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("https://conference.example", "conference.example", True),
        ("https://conference.example:8443", "conference.example", True),
        ("http://localhost:7433", "localhost", True),
        ("https://conference.example", "192.0.2.1", True),
        ("https://192.0.2.1", "192.0.2.1", True),
        ("https://[::1]:7433", "::1", True),
        ("https://192.0.2.9", "192.0.2.1", False),
        ("https://192.0.2.9", "conference.example", False),
        ("https://evil.example", "conference.example", False),
        ("https://conference.example.evil", "conference.example", False),
        ("https://evil.example/conference.example", "conference.example", False),
        ("https://conference.example@evil.example", "conference.example", False),
        ("ftp://conference.example", "conference.example", False),
        ("null", "conference.example", False),
        ("", "conference.example", False),
        ("https://", "conference.example", False),
        ("https://[", "conference.example", False),
        (f"https://{'ü.' * 8000}conference.example", "conference.example", False),
    ],
)
def test_origins(origin: str, host: str, may: bool) -> None:
    assert NAMES.allows_origin(origin, host) is may


@given(st.text(), st.text())
def test_nothing_raises(field: str, host: str) -> None:
    found = host_of(field)
    NAMES.has(found or field)
    NAMES.allows_origin(field, host)
