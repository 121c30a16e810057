"""What a meeting takes, and what is given up in front of a cap."""

import pytest

from tcclient.core.downlink.data_meter import (
    IP_TCP,
    IP_UDP,
    SEGMENT,
    WINDOW,
    DataMeter,
    Saving,
)


def test_both_directions_count_with_the_headers_of_all_packets():
    meter = DataMeter()
    meter.sent(100)
    meter.received(1_000)
    meter.received(1_000)
    meter.wrote(1)
    meter.wrote(0)
    meter.read(2 * SEGMENT + 1)
    use = meter.use(0.0)
    assert use.up == 100 + IP_UDP + 1 + IP_TCP
    assert use.down == 2 * (1_000 + IP_UDP) + 2 * SEGMENT + 1 + 3 * IP_TCP
    assert use.total == use.up + use.down == meter.total


def test_an_hour_takes_what_the_last_minute_did():
    meter = DataMeter()
    for second in range(600):
        meter.sent((100_000 if second < 300 else 1_000) - IP_UDP)
        use = meter.use(float(second))
    assert use.per_hour == pytest.approx(3_600_000)
    assert DataMeter().use(0.0).per_hour == 0
    meter.use(600 + WINDOW)
    assert len(meter._samples) <= 30


@pytest.mark.parametrize(
    ("used", "percent", "saving"),
    [(799, 0, Saving.NOTHING), (800, 80, Saving.PICTURES), (999, 80, Saving.PICTURES), (1_000, 100, Saving.ALL)],
)
def test_pictures_go_near_the_cap_and_the_rest_at_it(used, percent, saving):
    meter = DataMeter()
    meter.cap = 1_000
    meter.sent(used - IP_UDP)
    assert (meter.percent, meter.saving) == (percent, saving)
    meter.cap = 0
    assert (meter.percent, meter.saving) == (0, Saving.NOTHING)
    meter.cap = 2_000
    assert meter.saving is Saving.NOTHING, "the user may raise it"
