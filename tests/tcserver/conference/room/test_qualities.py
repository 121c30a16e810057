"""Everybody is told how good everybody's connection is."""

from tcproto import messages as m
from tcproto.messages import MemberQualities, Quality
from tcserver.conference.room.qualities import QUALITY_INTERVAL
from tcserver.media.interface import SeatSilent
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver


def told(client: Client) -> list[dict[int, Quality]]:
    return [{entry.participant: entry.quality for entry in news.members} for news in client.got(MemberQualities)]


def test_a_report_is_told_to_all_of_the_room_once_and_to_who_comes_later():
    driver = Driver()
    first, second, outsider = driver.participant(), driver.participant(), driver.participant("other")
    first.tell(m.OwnQuality(Quality.GOOD))
    first.tell(m.OwnQuality(Quality.GOOD))
    assert told(first) == told(second) == [{first.participant: Quality.GOOD}]
    assert told(outsider) == []
    third = driver.participant()
    assert told(third) == [{first.participant: Quality.GOOD}]


def test_changes_are_collected_and_one_that_is_undone_is_not_told():
    driver = Driver()
    first, second, third = (driver.participant() for _ in range(3))
    for quality in (Quality.GOOD, Quality.POOR, Quality.EXCELLENT):
        first.tell(m.OwnQuality(quality))
    second.tell(m.OwnQuality(Quality.POOR))
    third.tell(m.OwnQuality(Quality.POOR))
    third.tell(m.OwnQuality(Quality.UNKNOWN))
    assert told(second) == [{first.participant: Quality.GOOD}]
    driver.advance(QUALITY_INTERVAL)
    assert told(second) == [{first.participant: Quality.EXCELLENT, second.participant: Quality.POOR}]
    driver.advance(10)
    assert told(second) == []


def test_who_is_silent_is_lost_until_it_is_heard_again():
    driver = Driver()
    first, second = driver.participant(), driver.participant()
    first.tell(m.OwnQuality(Quality.EXCELLENT))
    for silent in (True, False):
        driver.advance(QUALITY_INTERVAL)
        driver.event(SeatSilent(first.media_id, silent))
    driver.event(SeatSilent(77, True))
    assert [news[first.participant] for news in told(second)] == [Quality.EXCELLENT, Quality.LOST, Quality.EXCELLENT]


def test_who_moves_to_another_media_worker_is_not_silent_there():
    driver = Driver()
    first, second = driver.participant(), driver.participant()
    first.tell(m.OwnQuality(Quality.EXCELLENT))
    driver.advance(QUALITY_INTERVAL)
    driver.event(SeatSilent(first.media_id, True))
    driver.advance(QUALITY_INTERVAL)
    driver.replace_worker()  # it takes for silent only those that it has heard
    assert [news[first.participant] for news in told(second)] == [Quality.EXCELLENT, Quality.LOST, Quality.EXCELLENT]


def test_who_has_left_meanwhile_is_not_named_and_a_closed_room_says_nothing():
    driver = Driver()
    first, second = driver.participant(), driver.participant()
    for client in (first, second):
        client.tell(m.OwnQuality(Quality.GOOD))
        driver.advance(QUALITY_INTERVAL)
    assert len(told(second)) == 2
    second.tell(m.OwnQuality(Quality.POOR))
    first.tell(m.OwnQuality(Quality.POOR))
    first.drop()
    driver.advance(60)
    assert told(second) == [{second.participant: Quality.POOR}]
    for quality in (Quality.GOOD, Quality.POOR):
        second.tell(m.OwnQuality(quality))
    driver.room_of(second).close(driver.now, "over")
    driver.advance(QUALITY_INTERVAL)
    assert told(second) == [{second.participant: Quality.GOOD}]


def test_a_storm_of_reports_costs_an_account_what_the_messages_cost():
    driver = Driver()
    crowd = [driver.participant() for _ in range(30)]
    room = driver.room_of(crowd[0])
    driver.advance(10)
    charged = sum(room.qualities.reported(seat, Quality.GOOD, driver.now) for seat in room.seats.values())
    assert charged == 2, "one that is sent at once, and one for all who come within the second after"
    assert not any(room.qualities.reported(seat, Quality.GOOD, driver.now) for seat in room.seats.values())
