import pytest

from tcserver.media.speakers.remote import MAX_LEVELS, RemoteSelection
from tcserver.media.speakers.selection import Level, News, Ranked


def test_what_was_heard_goes_into_the_next_summary_once():
    speakers = RemoteSelection(1)
    assert not speakers.has_news
    assert not speakers.hear(7, 0x101, 5, 3, 25, 20, True, 0.0)
    speakers.configure(0, ())
    assert speakers.hear(8, 0x102, 6, 4, 90, 10, True, 0.0), "no contest is on"
    speakers.forget(7)
    assert speakers.has_news
    assert speakers.take_news() == News(
        (Level(7, 0x101, 5, 3, 25, 20, True), Level(8, 0x102, 6, 4, 90, 10, True), Level(7, 0, 0, 0, 0, 0))
    )
    speakers.repeat()
    assert not speakers.has_news
    assert speakers.take_news() == News()


def test_of_too_many_levels_the_oldest_are_lost():
    speakers = RemoteSelection()
    for stream in range(MAX_LEVELS + 1):
        speakers.hear(stream, 4, 4, 3, 25, 20, True, 0.0)
    assert [level.stream for level in speakers.take_news().levels] == list(range(1, MAX_LEVELS + 1))


def test_only_holders_and_those_who_are_always_forwarded_are():
    speakers = RemoteSelection()
    speakers.configure(1, (5,))
    speakers.take_holders(frozenset({7}))

    def forwarded(stream, seat):
        return speakers.hear(stream, seat, seat, 3, 25, 20, True, 0.0)

    assert forwarded(7, 4)
    assert forwarded(8, 5)
    assert not forwarded(8, 4)
    assert speakers.holders == (7,)
    speakers.forget(7)
    assert not forwarded(7, 4)


def test_nothing_is_decided_here():
    speakers = RemoteSelection()
    for _ in range(100):
        speakers.hear(7, 4, 4, 3, 10, 20, True, 0.0)
    assert speakers.decide(1, 1.0) is None
    with pytest.raises(ValueError, match="home"):
        speakers.take_levels([Level(7, 4, 4, 3, 10, 20, True)], 1.0)


def test_the_ranking_is_that_of_the_home():
    speakers = RemoteSelection()
    assert speakers.ranking == ()
    speakers.take_ranking((Ranked(7, 1007), Ranked(8, 1008)))
    ranking = speakers.ranking
    assert ranking == ((7, 1007), (8, 1008))
    speakers.take_ranking((Ranked(7, 1007), Ranked(8, 1008)))
    assert speakers.ranking is ranking, "nothing has changed"
