"""Headers of the PROXY protocol, whole, in parts, and wrong."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.proxy_protocol import MAX_LENGTH, SIGNATURE, BadHeader, ProxyHeader, parse

IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(str)
PORT = st.integers(0, 65_535)


def header(source: str, port: int, *, command: int = 0x21, extra: bytes = b"") -> bytes:
    address = ipaddress.ip_address(source)
    body = address.packed * 2 + struct.pack("!HH", port, 443) + extra
    return SIGNATURE + struct.pack("!BBH", command, 0x11 if address.version == 4 else 0x21, len(body)) + body


def test_an_example_byte_for_byte() -> None:
    data = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c c0000201 cb007101 1267 01bb".replace(" ", ""))
    assert parse(data + b"\x16\x03\x01") == ProxyHeader(28, ("192.0.2.1", 4711))


@given(IPV4 | IPV6, PORT, st.binary(max_size=200), st.binary(max_size=9), st.integers(0, 300))
def test_a_header_tells_the_client_when_it_is_whole(
    source: str, port: int, extra: bytes, behind: bytes, cut: int
) -> None:
    data = header(source, port, extra=extra)
    assert parse(data + behind) == ProxyHeader(len(data), (source, port))
    if cut < len(data):
        assert parse(data[:cut]) is None


def test_a_proxy_that_speaks_for_itself() -> None:
    assert parse(header("192.0.2.1", 1, command=0x20)) == ProxyHeader(28, None)
    assert parse(SIGNATURE + b"\x20\x00\x00\x00") == ProxyHeader(16, None)


def test_a_family_without_addresses() -> None:
    assert parse(SIGNATURE + b"\x21\x31\x00\x02ab") == ProxyHeader(18, None)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", MAX_LENGTH + 1),
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(data)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_a_header_or_none(data: bytes, signed: bool) -> None:
    try:
        found = parse(SIGNATURE * signed + data)
    except BadHeader:
        return
    assert found is None or found.size <= len(SIGNATURE) + len(data)
