from __future__ import annotations

from collections.abc import Callable
from struct import error as StructError  # noqa: N812
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.feedback import (
    DELTA_UNIT,
    ESCAPE,
    MAX_ARRIVALS,
    ArrivalReport,
    Head,
    NotSent,
    Reception,
    RetransmissionRequest,
    pack_arrival_request,
    pack_heads,
    pack_receiver_report,
    pack_resend_request,
    parse_arrival_report,
    parse_arrival_request,
    parse_heads,
    parse_not_sent,
    parse_receiver_report,
    parse_resend_request,
    parse_retransmission_request,
)
from tcproto.packet import Series
from tests.support.mutations import bit_flips, truncations

ONE = Series(0x1234, 3, 7, redundant=True)
RECEPTION = Reception(0x01020304, ONE, 5, 6, 7, 8, 9)


def pack_both_heads(value: tuple[int, list[Head]]) -> bytes:
    return pack_heads(*value)


Case = tuple[Callable[[Any], bytes], Callable[[bytes], Any], Any, str]
CASES: list[Case] = [
    (ArrivalReport.pack, parse_arrival_report, ArrivalReport(0, (0,)), "000000000000 00 00000000 80"),
    (ArrivalReport.pack, parse_arrival_report, ArrivalReport(2**48 - 1, (None,)), "ffffffffffff 00 00000000 00"),
    (
        ArrivalReport.pack,
        parse_arrival_report,
        # Deltas 0, -1, 1, 127 (254, the last in a byte), -128 (255, the first that is escaped), 32767, after a gap.
        ArrivalReport(
            2**32,
            tuple(n if n is None else n * DELTA_UNIT for n in (None, 10, 10, 9, 10, 137, 9, 32776, None)),
        ),
        "000100000000 08 0000000a 7f00 00 01 02 fe ff00ff fffffe",
    ),
    (pack_arrival_request, parse_arrival_request, 0.1, "0064"),
    (pack_arrival_request, parse_arrival_request, 65.535, "ffff"),
    (pack_receiver_report, parse_receiver_report, [], ""),
    (
        pack_receiver_report,
        parse_receiver_report,
        [RECEPTION],
        "01020304 1234 e7 00000005 00000006 0007 0008 0009",
    ),
    (pack_both_heads, parse_heads, (1, []), "00000001"),
    (
        pack_both_heads,
        parse_heads,
        (2**32 - 1, [Head(ONE, 65535), Head(Series(1, 1, 2), 0)]),
        "ffffffff 1234 e7 ffff 0001 22 0000",
    ),
    (NotSent.pack, parse_not_sent, NotSent(1, ONE, 65535, 2), "00000001 1234 e7 ffff 0002"),
    (
        RetransmissionRequest.pack,
        parse_retransmission_request,
        RetransmissionRequest(1, Series(2), 3, 0x8001),
        "00000001 0002 00 0003 8001",
    ),
    (pack_resend_request, parse_resend_request, [], ""),
    (
        pack_resend_request,
        parse_resend_request,
        [0, 2**32 - 1, 2**32, 2**48 - 1],
        "000000000000 0000ffffffff 000100000000 ffffffffffff",
    ),
]
PARSERS = [
    parse_arrival_report,
    parse_arrival_request,
    parse_receiver_report,
    parse_heads,
    parse_not_sent,
    parse_retransmission_request,
    parse_resend_request,
]


@pytest.mark.parametrize(("pack", "parse", "value", "text"), CASES)
def test_values_in_bytes(pack: Callable[[Any], bytes], parse: Callable[[bytes], Any], value: object, text: str) -> None:
    assert pack(value).hex() == bytes.fromhex(text).hex()
    assert parse(bytes.fromhex(text)) == value


@pytest.mark.parametrize(("pack", "parse", "value", "text"), CASES)
def test_spoilt_bytes_give_a_value_that_packs_or_a_value_error(
    pack: Callable[[Any], bytes], parse: Callable[[bytes], Any], value: object, text: str
) -> None:
    data = bytes.fromhex(text)
    for spoilt in (*truncations(data), *bit_flips(data[:40])):
        try:
            found = parse(spoilt)
        except ValueError:
            continue
        assert found != value or parse is parse_arrival_report  # which does not look at the bits after its last
        assert parse(pack(found)) == found


@pytest.mark.parametrize("parse", PARSERS)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_a_value_or_a_value_error(parse: Callable[[bytes], Any], data: bytes) -> None:
    try:
        parse(data)
    except ValueError:
        return


arrivals = st.lists(st.none() | st.integers(0, 2000), min_size=1, max_size=MAX_ARRIVALS)


@given(st.integers(0, 2**48 - 1), arrivals, st.integers(0, 2**31))
def test_arrival_reports_round_trip(base: int, units: list[int | None], start: int) -> None:
    report = ArrivalReport(base, tuple(None if n is None else (start + n) * DELTA_UNIT for n in units))
    data = report.pack()
    assert parse_arrival_report(data) == report
    if units[-1] is not None:
        for cut in truncations(data):
            with pytest.raises(ValueError, match="cut off"):
                parse_arrival_report(cut)
    with pytest.raises(ValueError, match="left over"):
        parse_arrival_report(data + b"\0")


def test_arrivals_are_rounded_down_to_units() -> None:
    assert parse_arrival_report(ArrivalReport(0, (249, 250, 999)).pack()).arrivals == (0, 250, 750)


def test_the_reference_time_wraps() -> None:
    wrap = 2**32 * DELTA_UNIT
    report = parse_arrival_report(ArrivalReport(0, (wrap - DELTA_UNIT, wrap + DELTA_UNIT)).pack())
    assert report.arrivals == (wrap - DELTA_UNIT, wrap + DELTA_UNIT)
    assert parse_arrival_report(ArrivalReport(0, (wrap, wrap + 500)).pack()).arrivals == (0, 500)


def test_as_many_arrivals_as_fit() -> None:
    for count in (1, 8, 9, MAX_ARRIVALS - 1, MAX_ARRIVALS):
        report = ArrivalReport(0, (0,) * count)
        assert parse_arrival_report(report.pack()) == report
    for count in (0, MAX_ARRIVALS + 1):
        with pytest.raises(ValueError, match="do not fit"):
            ArrivalReport(0, (0,) * count).pack()


@pytest.mark.parametrize(("later", "fits"), [(32767, True), (32768, False), (-32768, True), (-32769, False)])
def test_arrivals_too_far_apart_are_refused(later: int, fits: bool) -> None:
    report = ArrivalReport(0, (10**9, 10**9 + later * DELTA_UNIT))
    if fits:
        assert parse_arrival_report(report.pack()) == report
        assert report.pack()[12] == ESCAPE
    else:
        with pytest.raises(ValueError, match="too far apart"):
            report.pack()


def test_counters_out_of_range_never_wrap() -> None:
    for counter in (2**48, -1):
        with pytest.raises(StructError):
            pack_resend_request([counter])
        with pytest.raises(StructError):
            ArrivalReport(counter, (0,)).pack()
