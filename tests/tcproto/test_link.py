from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.identity import format_fingerprint
from tcproto.link import DEFAULT_PORT, Link, parse_link

FINGERPRINT = bytes(range(20))
WORDS = format_fingerprint(FINGERPRINT)
CASES = [
    ("tc://example.org/", Link("example.org")),
    ("tc://example.org/standup", Link("example.org", room="standup")),
    ("tc://example.org:1/standup", Link("example.org", 1, "standup")),
    ("tc://192.0.2.1:65535/a%2Fb%20c%3F%23%26", Link("192.0.2.1", 65535, "a/b c?#&")),
    ("tc://[2001:db8::1]/r", Link("2001:db8::1", room="r")),
    ("tc://[2001:db8::1]:7000/r", Link("2001:db8::1", 7000, "r")),
    (f"tc://h/%C3%BC?fp={WORDS}", Link("h", room="ü", fingerprint=FINGERPRINT)),
    ("tc://h/r?e2ee=off", Link("h", room="r", e2ee=False)),
    (f"tc://h/r?fp={WORDS}&e2ee=off", Link("h", room="r", fingerprint=FINGERPRINT, e2ee=False)),
]
ALSO = [
    ("tc://example.org", Link("example.org")),
    (f"  TC://Example.ORG:{DEFAULT_PORT}/a/b\n", Link("example.org", room="a/b")),
    ("tc://h:/r?e2ee=on", Link("h", room="r")),
    (
        f"tc://h/r?e2ee=off&fp={WORDS.replace('-', '').upper()}",
        Link("h", room="r", fingerprint=FINGERPRINT, e2ee=False),
    ),
]
BAD = [
    ("", "begins with tc://"),
    ("standup", "begins with tc://"),
    ("http://h/r", "begins with tc://"),
    ("file:///etc/passwd", "begins with tc://"),
    ("tc:h/r", "names no host"),
    ("tc:///r", "names no host"),
    ("tc://:7433/r", "names no host"),
    ("tc://user@h/r", "no user"),
    ("tc://@h/r", "no user"),
    ("tc://:word@h/r", "no user"),
    ("tc://h/r#there", "no fragment"),
    ("tc://h:0/r", "port 0"),
    ("tc://h:65536/r", "not a link"),
    ("tc://h:-1/r", "not a link"),
    ("tc://h:port/r", "not a link"),
    ("tc://[::1/r", "not a link"),
    ("tc://[h]/r", "not a link"),
    ("tc://h/r?fp=", "fingerprint"),
    ("tc://h/r?fp=abcd", "fingerprint"),
    (f"tc://h/r?fp={WORDS}&fp={WORDS}", "twice"),
    ("tc://h/r?e2ee=off&e2ee=on", "twice"),
    ("tc://h/r?e2ee=", "on or off"),
    ("tc://h/r?e2ee=OFF", "on or off"),
    ("tc://h/r?mode=off", "unknown word in the link: 'mode'"),
    ("tc://h/r?a%0Ab=c", "unknown word"),
    ("tc://h/%ff", "UTF-8"),
]


@pytest.mark.parametrize(("text", "link"), CASES)
def test_links_in_text(text: str, link: Link) -> None:
    assert str(link) == text
    assert parse_link(text) == link


@pytest.mark.parametrize(("text", "link"), ALSO)
def test_other_spellings(text: str, link: Link) -> None:
    assert parse_link(text) == link


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_what_is_no_link_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_link(text)
    assert str(caught.value).isprintable()


links = st.builds(
    Link,
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str),
    st.integers(1, 65535),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.none() | st.binary(min_size=20, max_size=20),
    st.booleans(),
)


@given(links)
def test_links_round_trip(link: Link) -> None:
    assert parse_link(str(link)) == link


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_a_link_or_a_value_error(text: str, start: str) -> None:
    reasons: list[str] = []
    for line in (text, f"tc://{text}", f"tc://h/{start}?{text}", f"tc://[{text}]{start}"):
        try:
            link = parse_link(line)
        except ValueError as error:
            reasons.append(str(error))
            continue
        assert link.host
        assert 0 < link.port < 65536
    assert all(len(reason.splitlines()) == 1 for reason in reasons)


def test_an_address_reads_as_people_write_it() -> None:
    assert Link("a.example").address == "a.example:7433"
    assert Link("::1", 9).address == "[::1]:9"
