"""Which devices are new."""

from __future__ import annotations

from tcclient.core.membership.pins import MAX_ACCOUNTS, MAX_DEVICES, Acquaintance, DevicePin, DevicePins


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_first_device_is_trusted_and_the_next_is_news_once() -> None:
    pins = DevicePins({"known": [key(1)]})
    assert pins.meet("known", key(1)) is Acquaintance.KNOWN
    assert pins.meet("known", key(2)) is Acquaintance.NEW
    assert pins.meet("known", key(2)) is Acquaintance.KNOWN
    assert pins.meet("other", key(2)) is Acquaintance.FIRST
    assert pins.meet("other", key(3)) is Acquaintance.NEW
    assert pins.unsaved() == [DevicePin("known", key(2)), DevicePin("other", key(2)), DevicePin("other", key(3))]
    assert pins.unsaved() == []


def test_an_account_without_a_legible_device_is_known() -> None:
    assert DevicePins({"known": []}).meet("known", key(1)) is Acquaintance.NEW


def test_accounts_that_a_server_makes_up_push_nobody_out() -> None:
    pins = DevicePins({"known": [key(1)]})
    for number in range(MAX_ACCOUNTS + 10):
        assert pins.meet(f"made-up-{number}", key(0)) is Acquaintance.FIRST
    assert pins.full
    assert len(pins.unsaved()) == MAX_ACCOUNTS - 1
    assert pins.meet("known", key(2)) is Acquaintance.NEW
    assert pins.meet("one more", key(1)) is Acquaintance.FIRST
    assert pins.unsaved() == [DevicePin("known", key(2))]


def test_of_one_account_the_first_device_goes_and_the_account_stays_known() -> None:
    pins = DevicePins({})
    for number in range(MAX_DEVICES + 1):
        pins.meet("known", key(number))
    assert pins.meet("known", key(MAX_DEVICES)) is Acquaintance.KNOWN
    assert pins.meet("known", key(1)) is Acquaintance.KNOWN
    assert pins.meet("known", key(0)) is Acquaintance.NEW
