"""Who is believed about the addresses of clients."""

import pytest

from tcserver.web.http.message import Request
from tcserver.web.trusted_proxies import TrustedProxies

PROXIES = TrustedProxies(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"])


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "2001:db8:1::1", "::ffff:10.0.0.1"])
def test_a_proxy(address: str) -> None:
    assert PROXIES.has(address)


@pytest.mark.parametrize("address", ["127.0.0.2", "11.0.0.1", "::1", "", "name"])
def test_no_proxy(address: str) -> None:
    assert not PROXIES.has(address)
    assert not TrustedProxies().has(address)


def asking(*forwarded: bytes) -> Request:
    return Request("GET", "/tc", [(b"forwarded", value) for value in forwarded])


def test_only_a_proxy_is_believed() -> None:
    assert PROXIES.client_of(asking(b"for=192.0.2.1"), ("10.0.0.1", 5)) == ("192.0.2.1", 0)
    assert PROXIES.client_of(asking(b"for=192.0.2.1", b"for=192.0.2.2"), ("10.0.0.1", 5)) == ("192.0.2.2", 0)
    assert PROXIES.client_of(asking(b"for=192.0.2.1"), ("192.0.2.9", 5)) == ("192.0.2.9", 5)
    assert PROXIES.client_of(asking(b"what"), ("10.0.0.1", 5)) == ("10.0.0.1", 5)
    assert PROXIES.client_of(asking(), ("10.0.0.1", 5)) == ("10.0.0.1", 5)


def test_clients_of_a_proxy_do_not_share_the_limit_of_an_address() -> None:
    assert PROXIES.network_of(("10.0.0.1", 5)) != PROXIES.network_of(("10.0.0.1", 6))
    assert PROXIES.network_of(("192.0.2.1", 5)) == PROXIES.network_of(("192.0.2.1", 6))
