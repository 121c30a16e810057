from tcserver.media.relay.wire import LEVELS_IN_MESSAGE, Level, parse_levels
from tcserver.media.speakers.remote import MAX_LEVELS, DistantLoudest, DistantSpeakers, Summary


def both():
    summary = Summary()
    return summary, DistantSpeakers(summary), DistantLoudest(summary)


def test_what_was_heard_goes_into_the_next_summary_once():
    summary, speakers, loudest = both()
    speakers.hear(7, 3, 25, 20, 0.0)
    assert not loudest.hear(7, 0x101, 5, 25, True, 0.0)
    speakers.hear(8, 4, 90, 10, 0.0)
    speakers.forget(7)
    (message,) = summary.take(1)
    assert parse_levels(message) == [
        Level(7, 0x101, 5, 3, 25, 20, True),
        Level(8, 0, 0, 4, 90, 10),
        Level(7, 0, 0, 0, 0, 0),
    ]
    assert summary.take(1) == []


def test_many_levels_take_several_messages_and_too_many_are_lost_oldest_first():
    summary, speakers, _ = both()
    for stream in range(MAX_LEVELS + 1):
        speakers.hear(stream, 3, 25, 20, 0.0)
    levels = [parse_levels(message) for message in summary.take(1)]
    assert max(map(len, levels)) == LEVELS_IN_MESSAGE
    assert [level.stream for part in levels for level in part] == list(range(1, MAX_LEVELS + 1))


def test_only_holders_and_those_who_are_always_forwarded_are():
    _, speakers, loudest = both()
    loudest.configure(1, (5,))
    loudest.hold(frozenset({7}))

    def forwarded(stream, seat):
        speakers.hear(stream, 3, 25, 20, 0.0)
        return loudest.hear(stream, seat, seat, 25, True, 0.0)

    assert forwarded(7, 4)
    assert forwarded(8, 5)
    assert not forwarded(8, 4)
    assert loudest.holders == (7,)
    loudest.forget(7)
    assert not forwarded(7, 4)


def test_nothing_is_decided_here():
    _, speakers, _ = both()
    for _ in range(100):
        speakers.hear(7, 3, 10, 20, 0.0)
    assert speakers.decide(1, 1.0) is None
    assert speakers.dominant is None
