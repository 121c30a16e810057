"""What is counted of the datagrams that come."""

from math import inf

import pytest

from tcclient.core.downlink.arrivals import BUCKET, IP_UDP, KEPT, QUEUE_WINDOW, Arrivals, Line


def come(arrivals: Arrivals, start: float, seconds: float, size: int, delay: float | None = 0.0, every: float = 0.02):
    for n in range(round(seconds / every)):
        arrivals.datagram(size, delay, start + n * every)
        arrivals.packet((7, 0), size)


def test_nothing_came():
    arrivals = Arrivals()
    assert arrivals.line(10.0) == Line(0.0, 0.0)
    assert arrivals.bitrates(10.0) == {}
    assert arrivals.heard_since(0.0) == set()


def test_the_rate_counts_all_headers():
    arrivals = Arrivals()
    come(arrivals, 10.0, 2.0, 100)
    assert arrivals.line(11.999).bitrate == pytest.approx(50 * (100 + IP_UDP) * 8, rel=0.1)


def test_the_rate_follows_soon():
    arrivals = Arrivals()
    come(arrivals, 10.0, 1.0, 100)
    come(arrivals, 11.0, 0.5, 1000)
    assert arrivals.line(11.499).usual == pytest.approx(50 * (400 + IP_UDP) * 8, rel=0.1), "of all that time"
    assert arrivals.line(11.499).bitrate == pytest.approx(50 * (1000 + IP_UDP) * 8, rel=0.1)


def test_a_queue_delays_all_and_jitter_some():
    arrivals = Arrivals()
    for n in range(20):
        arrivals.datagram(100, 0.3 if n % 2 else 0.01, 10.0 + n * 0.02)
    assert arrivals.line(10.4).queue == 0.01
    come(arrivals, 10.4, QUEUE_WINDOW + BUCKET, 100, 0.3)
    assert arrivals.line(10.4 + QUEUE_WINDOW + BUCKET).queue == 0.3


def test_the_queue_of_the_newest_datagrams_is_that_of_the_quickest_of_them():
    arrivals = Arrivals()
    assert arrivals.queue == 0.0
    come(arrivals, 10.0, 1.0, 100, 0.01)
    come(arrivals, 11.0, 0.04, 100, 0.3)
    assert arrivals.queue == 0.01
    come(arrivals, 11.04, 0.04, 100, 0.4)
    assert arrivals.queue == 0.3
    arrivals.datagram(100, 0.02, 20.0)
    assert arrivals.queue == 0.02, "those of long ago tell nothing"


def test_a_queue_that_has_just_begun_delays_the_newest_datagrams():
    arrivals = Arrivals()
    come(arrivals, 10.0, 2.0, 100, 0.01)
    assert arrivals.line(12.0).jitter == pytest.approx(0.02)
    come(arrivals, 12.0, 0.06, 100, 0.05)
    assert (arrivals.line(12.06).fresh, arrivals.line(12.06).queue) == (0.05, 0.01)
    assert arrivals.line(12.3).fresh == 0.0, "nobody knows any more"
    come(arrivals, 13.0, 0.04, 100, 0.05)
    assert arrivals.line(13.04).fresh == 0.0, "too few"


def test_what_had_to_queue_comes_at_the_pace_of_the_line():
    arrivals = Arrivals()
    assert arrivals.line(10.0).pace == inf
    come(arrivals, 10.0, 2.0, 100, 0.01)
    rate, size = 1e6, 1000 + IP_UDP
    for n in range(5):
        arrivals.datagram(1000, 0.05, 12.0 + n * size * 8 / rate)
    assert arrivals.line(12.05).pace == pytest.approx(rate)
    arrivals.other(1000)
    arrivals.datagram(1000, None, 12.04)
    arrivals.datagram(1000, 0.05, 12.0 + 7 * size * 8 / rate)
    assert arrivals.line(12.06).pace == pytest.approx(rate), "what tells nothing takes the line as well"
    assert arrivals.line(12.3).pace == inf, "nobody knows any more"
    for _ in range(3):
        arrivals.datagram(1000, 0.05, 13.0)
    assert arrivals.line(13.0).pace == inf, "all at once"


def test_datagrams_that_say_nothing_of_the_queue_count_for_the_rate_alone():
    arrivals = Arrivals()
    come(arrivals, 10.0, 1.0, 100, None)
    assert arrivals.line(11.0).queue == 0.0
    assert arrivals.line(11.0).bitrate > 0


def test_of_a_queue_that_was_seen_long_ago_nobody_knows():
    arrivals = Arrivals()
    come(arrivals, 10.0, 1.0, 100, 0.5)
    assert arrivals.line(11.0 + QUEUE_WINDOW + BUCKET).queue == 0.0


def test_the_rate_of_a_layer_is_that_since_it_came_first():
    arrivals = Arrivals()
    come(arrivals, 10.0, 1.0, 100)
    for n in range(30):
        arrivals.datagram(1000, 0.0, 11.0 + n / 30)
        arrivals.packet((8, 1), 1000)
    rates = arrivals.bitrates(12.0)
    assert rates[8, 1] == pytest.approx(30 * 1000 * 8, rel=0.1)
    assert rates[7, 0] == pytest.approx(50 * 100 * 8 / 2, rel=0.1), "nothing in the second half"
    assert arrivals.heard_since(11.5) == {8}
    assert arrivals.heard_since(10.0) == {7, 8}


def test_what_was_lost_was_sent():
    arrivals = Arrivals()
    for n in range(50):
        arrivals.datagram(100, 0.0, 10.0 + n * 0.02)
        arrivals.packet((7, 0), 100)
        arrivals.lost((7, 0), 300)
    assert arrivals.bitrates(11.0)[7, 0] == pytest.approx(50 * 100 * 8, rel=0.1)
    assert arrivals.bitrates(11.0, with_lost=True)[7, 0] == pytest.approx(50 * 400 * 8, rel=0.1)
    for _ in range(50):
        arrivals.lost((7, 0), -300)
    assert arrivals.bitrates(11.0, with_lost=True) == arrivals.bitrates(11.0), "it came after all"


def show(arrivals: Arrivals, start: float, seconds: float, layer: int, size: int) -> None:
    for n in range(round(seconds * 25)):
        arrivals.datagram(size, 0.0, start + n / 25)
        arrivals.packet((8, layer), size)


def test_a_layer_that_another_one_replaced_does_not_come_any_more():
    arrivals = Arrivals()
    show(arrivals, 10.0, 0.4, 0, 500)
    show(arrivals, 10.4, 1.4, 1, 2000)
    assert set(arrivals.bitrates(11.8)) == {(8, 1)}
    show(arrivals, 11.8, 0.8, 0, 500)
    assert arrivals.bitrates(12.6) == {(8, 0): pytest.approx(25 * 500 * 8, rel=0.1)}, "not over the time of the other"


def test_two_layers_may_come_at_once_and_pictures_seldom():
    arrivals = Arrivals()
    for second in range(2):
        show(arrivals, 10.0 + second, 0.1, 0, 500)
        show(arrivals, 10.1 + second, 0.1, 1, 2000)
    assert arrivals.bitrates(11.2) == {
        (8, 0): pytest.approx(4 * 500 * 8 / 1.2, rel=0.2),
        (8, 1): pytest.approx(4 * 2000 * 8 / 1.1, rel=0.2),
    }


def test_what_has_just_begun():
    arrivals = Arrivals()
    show(arrivals, 10.0, 1.5, 0, 500)
    come(arrivals, 11.5, 0.5, 100)
    assert arrivals.begun_since(11.5) == {(7, 0)}
    assert arrivals.begun_since(11.8) == set()
    assert arrivals.begun_since(9.9) == {(7, 0), (8, 0)}


def test_only_the_last_seconds_are_kept():
    arrivals = Arrivals()
    come(arrivals, 10.0, 1.0, 100)
    come(arrivals, 10.0 + 2 * KEPT, KEPT + 1, 10)
    assert arrivals.bitrates(11.0 + 3 * KEPT)[7, 0] == pytest.approx(50 * 10 * 8, rel=0.1)


def test_what_brings_no_media_takes_the_line_as_well():
    arrivals = Arrivals()
    arrivals.other(1000)
    come(arrivals, 10.0, 1.0, 100)
    before = arrivals.line(11.0)
    arrivals.other(1000)
    assert arrivals.total == 2 * (1000 + IP_UDP) + 50 * (100 + IP_UDP)
    assert arrivals.line(11.0).bitrate > before.bitrate
    assert arrivals.line(11.0).usual > before.usual
    assert arrivals.bitrates(11.0)[7, 0] == pytest.approx(50 * 100 * 8, rel=0.1)
