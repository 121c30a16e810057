import pytest

from tcproto.transit import TRANSIT_MEMORY, TransitClock

NOW = 1000.0


def test_transit_over_the_wrap():
    clock = TransitClock()
    for step in range(40):
        sent = int((4290 + step) * 1e6) % 2**32
        _, delay = clock.transit(sent, NOW + step)
        assert delay == pytest.approx(0, abs=1e-6)
    _, delay = clock.transit(sent, NOW + 39.25)
    assert delay == pytest.approx(0.25, abs=1e-6)
    _, delay = clock.transit(int((4290 + 38.5) * 1e6) % 2**32, NOW + 39.25)
    assert delay == pytest.approx(0.75, abs=1e-6)


def test_a_way_that_was_quicker_is_forgotten():
    clock = TransitClock()
    assert clock.transit(0, NOW)[1] == 0
    delays = [clock.transit(int(step * 1e6), NOW + step + 0.5)[1] for step in range(1, int(3 * TRANSIT_MEMORY))]
    assert delays[0] == pytest.approx(0.5)
    assert delays[-1] == pytest.approx(0.0)
