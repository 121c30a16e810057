"""The names by which browsers reach a server."""

from tcserver.config.configuration import Sources
from tcserver.daemon.web_front import names_for_browsers
from tcserver.web.certificates.certificate import make_self_signed, read_certificate

ALWAYS = {"localhost", "127.0.0.1", "::1"}


def names(host: str | None = None, machine: str = "", interfaces: tuple[str, ...] = (), **settings: str) -> set[str]:
    flags = {key.replace("__", "."): value for key, value in settings.items()}
    return set(names_for_browsers(Sources(flags=flags).load(), host, machine, interfaces))


def test_a_server_for_all_addresses_has_those_of_the_machine() -> None:
    assert names("192.0.2.1", "Rathaus", ("192.0.2.1", "10.0.0.1")) == ALWAYS | {"rathaus", "192.0.2.1", "10.0.0.1"}
    assert names(interfaces=("10.0.0.1",), server__addresses="0.0.0.0,2001:db8::1") == ALWAYS | {
        "10.0.0.1",
        "2001:db8::1",
    }


def test_a_server_for_some_addresses_has_those() -> None:
    assert names(interfaces=("10.0.0.1",), server__addresses="192.0.2.1") == ALWAYS | {"192.0.2.1"}


def test_names_are_as_a_certificate_has_them() -> None:
    found = names(
        "2001:DB8:0::1",
        "b\u00fcro\u2024",
        server__public_host="Rapat.Example.",
        web__hosts="b\u00fcro.example,a_b.example",
    )
    assert {"2001:db8::1", "rapat.example", "xn--bro-hoa.example", "a_b.example"} <= found
    assert read_certificate(make_self_signed(found, 1_800_000_000.0)).names == found


def test_what_a_certificate_cannot_have_is_left_out() -> None:
    assert names("fe80::1%eth0", "\u00fc" * 64) == ALWAYS
