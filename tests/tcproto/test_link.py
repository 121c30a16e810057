from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.identity import format_fingerprint
from tcproto.link import DEFAULT_PORT, MAX_HOST_CHARACTERS, Link, parse_link, parse_server

FINGERPRINT = bytes(range(20))
WORDS = format_fingerprint(FINGERPRINT)
CASES = [
    ("tc://example.org/", Link("example.org")),
    ("tc://example.org/standup", Link("example.org", room="standup")),
    ("tc://bücher.example/r", Link("bücher.example", room="r")),
    ("tc://क्षेत्र.example/r", Link("क्षेत्र.example", room="r")),
    ("tc://conference_1.example./r", Link("conference_1.example.", room="r")),
    ("tc://[fe80::1%eth0]:1/r", Link("fe80::1%eth0", 1, "r")),
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
    ("tc://[fe80::1%25eth0]/r", Link("fe80::1%eth0", room="r")),
    (
        f"tc://h/r?e2ee=off&fp={WORDS.replace('-', '').upper()}",
        Link("h", room="r", fingerprint=FINGERPRINT, e2ee=False),
    ),
]
BAD = [
    ("", "begins with tc://"),
    ("standup", "begins with tc://"),
    ("http://h/r", "is a web link"),
    ("https://h:7433/r#fp=aaaa", "is a web link"),
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
    ("tc://a b/r", "no host name"),
    ("tc://a%20b/r", "no host name"),
    ("tc://a\u00a0b/r", "no host name"),
    ("tc://a\u3164b/r", "no host name"),
    ("tc://a\u200db.example/r", "no host name"),
    ("tc://a\u202eb/r", "no host name"),
    ("tc://a\\b/r", "no host name"),
    ("tc://a..b/r", "no host name"),
    ("tc://.a/r", "no host name"),
    (f"tc://{'x' * 64}/r", "looked up"),
    (f"tc://{'x.' * 127}/r", "no host name"),
    ("tc://[v1.a b]/r", "no host name"),
    ("tc://[fe80::1%a/b]/r", "not a link"),
    ("tc://[fe80::1%25a*b]/r", "zone"),
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
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]{1,9}){0,3}", fullmatch=True)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str),
    st.integers(1, 65535),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.none() | st.binary(min_size=20, max_size=20),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("link", "port", "text"),
    [
        (Link("meet.example", room="rapat pagi"), 443, "https://meet.example/rapat%20pagi"),
        (Link("2001:db8::1", 7500), 7433, "https://[2001:db8::1]:7433/"),
        (Link("meet.example", room="a/b", e2ee=False), 443, "https://meet.example/a%2Fb#e2ee=off"),
    ],
)
def test_web_links(link: Link, port: int, text: str) -> None:
    assert link.on_the_web(port) == text


@given(links, st.integers(1, 65535))
def test_a_web_link_has_what_the_join_link_has(link: Link, port: int) -> None:
    parts = urlsplit(link.on_the_web(port))
    words = f"?{parts.fragment}" if parts.fragment else ""
    assert parse_link(f"tc://{link.address}{parts.path}{words}") == link
    assert (parts.scheme, parts.port or 443, parts.query) == ("https", port, "")


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


@pytest.mark.parametrize(
    "host", ["", "a b", "a\nb", "#a", "a#b", "a\u2028b", "a\x00b", "[::1]", "::1 x", "a/b", "a:1", "\ud800"]
)
def test_no_link_has_a_host_that_breaks_a_line(host: str) -> None:
    with pytest.raises(ValueError, match=r"no host name|no IPv6 address") as caught:
        Link(host)
    assert str(caught.value).isprintable()


def test_the_longest_host() -> None:
    longest = ".".join(["x" * 63] * 3 + ["x" * 61])
    assert len(longest) == MAX_HOST_CHARACTERS
    assert parse_link(f"tc://{longest}/").host == longest
    with pytest.raises(ValueError, match="no host name"):
        Link(longest + "x")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("a.example", Link("a.example")),
        (" A.example:5 ", Link("a.example", 5)),
        ("::1", Link("::1")),
        ("[::1]:5", Link("::1", 5)),
        (f"tc://a.example/r?fp={WORDS}", Link("a.example", room="r", fingerprint=FINGERPRINT)),
    ],
)
def test_servers_as_people_name_them(text: str, link: Link) -> None:
    assert parse_server(text) == link


@pytest.mark.parametrize("text", ["", "a b", "http://a", "a:port"])
def test_what_names_no_server(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_server(text)
