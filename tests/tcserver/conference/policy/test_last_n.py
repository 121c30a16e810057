"""Which cameras are shown, and how many."""

import pytest

from tcproto import messages as m
from tcserver.conference.limits.camera_cap import CALM, REDUCTION_INTERVAL, SPIKE_CALM
from tcserver.conference.policy.last_n import RecentSpeakers, camera_limit
from tcserver.media.interface import ChangeForwarding, Overloaded, SpeakersChanged
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver


@pytest.mark.parametrize(
    ("participants", "cameras"), [(1, None), (19, None), (20, 20), (29, 20), (30, 15), (49, 15), (50, 10), (500, 10)]
)
def test_larger_rooms_show_fewer_cameras(participants, cameras):
    assert camera_limit(participants) == cameras


def test_who_spoke_last_is_on_stage_and_then_who_was_there_first():
    speakers = RecentSpeakers()
    assert speakers.choose([5, 6, 7, 8], 2) == {5, 6}
    speakers.spoke(8)
    speakers.spoke(7)
    assert speakers.choose([5, 6, 7, 8], 1) == {7}
    assert speakers.choose([5, 6, 7, 8], 3) == {7, 8, 5}
    speakers.spoke(8)
    assert speakers.choose([5, 6, 7, 8], 1) == {8}
    assert speakers.choose([5, 6], 1) == {5}, "who has no camera takes no place"
    speakers.leave(8)
    speakers.leave(8)
    assert speakers.choose([5, 6, 7, 8], 1) == {7}
    assert speakers.choose([5, 6], 9) == {5, 6}


def shown_to(driver: Driver, viewer: Client) -> set[int]:
    """Return the participants whose cameras a viewer gets."""
    return {
        client.participant
        for client in driver.clients.values()
        if client.view is not None
        for (media_id, stream), receivers in driver.plane.forwarding.items()
        if media_id == client.media_id
        and driver.plane.streams[media_id, stream].caps == driver.conference.context.settings.caps[m.Source.CAMERA]
        and viewer.media_id in receivers
    }


def full_room(clients: int, cameras: int) -> tuple[Driver, list[Client]]:
    """A room. The first so many participants have cameras; the last one watches."""
    driver = Driver()
    members = [driver.participant() for _ in range(clients)]
    for number, member in enumerate(members):
        member.subscribe(m.Source.MICROPHONE, m.Source.CAMERA)
        if number < cameras:
            member.publish(m.Source.CAMERA)
    return driver, members


def test_a_room_of_thirty_shows_the_cameras_of_the_last_fifteen_who_spoke():
    driver, members = full_room(30, 18)
    viewer, ids = members[-1], [member.participant for member in members]
    assert shown_to(driver, viewer) == set(ids[:15])
    driver.event(SpeakersChanged(1, (ids[16], ids[28]), (), ids[17]))
    assert shown_to(driver, viewer) == {*ids[:13], ids[16], ids[17]}
    told = len([command for command in driver.plane.log if isinstance(command, ChangeForwarding)])
    driver.event(SpeakersChanged(1, (ids[16],), (), ids[17]))
    assert len([command for command in driver.plane.log if isinstance(command, ChangeForwarding)]) == told
    members[29].drop()
    viewer = members[28]
    assert shown_to(driver, viewer) == set(ids[:18]), "29 are fewer than 30"
    driver.check()


def test_who_has_chosen_a_camera_gets_it_though_others_spoke_later():
    driver, members = full_room(30, 18)
    viewer, last = members[-1], members[17]
    (publication,) = [info for info in viewer.view.publications.values() if info.participant == last.participant]
    choice = m.StreamChoice(publication.stream)
    viewer.subscribe(m.Source.MICROPHONE, m.Source.CAMERA, choices=(choice,), generation=2)
    assert last.participant in shown_to(driver, viewer)
    assert last.participant not in shown_to(driver, members[0])
    choice = m.StreamChoice(publication.stream, by_default=True)
    viewer.subscribe(m.Source.MICROPHONE, m.Source.CAMERA, choices=(choice,), generation=3)
    assert last.participant not in shown_to(driver, viewer), "it only says how"
    driver.event(SpeakersChanged(1, (), (), last.participant))
    assert last.participant in shown_to(driver, viewer)
    driver.check()


def states(client: Client) -> list[dict[int, m.StreamLimit]]:
    return [{state.stream: state.limit for state in news.streams} for news in client.got(m.StreamStates)]


def camera_of(viewer: Client, member: Client) -> int:
    (stream,) = [
        info.stream
        for info in viewer.view.publications.values()
        if info.participant == member.participant and info.source is m.Source.CAMERA
    ]
    return stream


def test_everybody_is_told_which_cameras_are_not_shown_and_newcomers_are_told_of_all():
    driver, members = full_room(30, 16)
    viewer, first, last = members[-1], members[14], members[15]
    driver.advance(1)
    hidden = {camera_of(viewer, last): m.StreamLimit.NOT_SELECTED}
    assert states(viewer) == [hidden]
    assert [camera_of(viewer, last)] == [stream for told in states(members[0]) for stream in told]
    driver.event(SpeakersChanged(1, (last.participant,), (), last.participant))
    changed = {camera_of(viewer, last): m.StreamLimit.NONE, camera_of(viewer, first): m.StreamLimit.NOT_SELECTED}
    assert states(viewer) == [changed]
    driver.event(SpeakersChanged(1, (), (last.participant,), last.participant))
    assert states(viewer) == []
    assert states(driver.participant()) == [{camera_of(viewer, first): m.StreamLimit.NOT_SELECTED}]


def test_a_new_camera_is_known_before_it_is_told_that_it_is_not_shown():
    driver, members = full_room(30, 15)
    driver.advance(1)
    members[16].publish(m.Source.CAMERA)
    members[17].publish(m.Source.CAMERA)
    driver.advance(1)
    inbox = [each for each in members[-1].inbox if isinstance(each, m.RoomChanges | m.StreamStates)]
    known: set[int] = set()
    for each in inbox:
        if isinstance(each, m.RoomChanges):
            known |= {change.publication.stream for change in each.changes if change.publication is not None}
        else:
            assert {state.stream for state in each.streams} <= known
    assert len(states(members[-1])) == 2


def test_overload_takes_cameras_from_all_rooms_and_calm_brings_them_back():
    driver, members = full_room(9, 8)
    viewer = members[-1]
    driver.event(Overloaded(0.2, 1.0))
    assert len(shown_to(driver, viewer)) == 6
    driver.event(Overloaded(0.2, 1.0))
    assert len(shown_to(driver, viewer)) == 6
    members[0].subscribe(generation=2)
    driver.advance(REDUCTION_INTERVAL)
    driver.event(Overloaded(0.2, 1.0))
    assert len(shown_to(driver, viewer)) == 4
    driver.advance(CALM - 1)
    assert len(shown_to(driver, viewer)) == 4
    driver.advance(2)
    assert len(shown_to(driver, viewer)) == 5
    driver.advance(2 * CALM)
    assert len(shown_to(driver, viewer)) == 7
    driver.advance(CALM)
    assert len(shown_to(driver, viewer)) == 8
    driver.check()


def limits(driver: Driver) -> list[dict]:
    return [dict(event.fields) for event in driver.logged if event.name == "camera_limit"]


def test_one_hiccup_takes_cameras_away_for_some_seconds_only():
    driver, members = full_room(9, 8)
    driver.event(Overloaded(0.2, 1000.0))
    assert len(shown_to(driver, members[-1])) == 6
    driver.advance(SPIKE_CALM + 0.1)
    assert len(shown_to(driver, members[-1])) >= 7
    driver.advance(CALM)
    assert len(shown_to(driver, members[-1])) == 8


def test_no_camera_is_taken_away_without_a_reason_that_is_told():
    driver, _ = full_room(9, 8)
    driver.event(Overloaded(0.2, 1000.4))
    driver.advance(REDUCTION_INTERVAL)
    driver.event(Overloaded(0.001, 500_000.0))
    assert limits(driver) == [
        {"limit": 6, "cause": "lag", "lag_ms": 200, "datagrams_per_s": 1000},
        {"limit": 4, "cause": "datagrams", "lag_ms": 1, "datagrams_per_s": 500_000},
    ]
    assert driver.conference.counters["overload_lag"] == driver.conference.counters["overload_datagrams"] == 1
    driver.advance(10 * CALM)
    assert {entry["cause"] for entry in limits(driver)[2:]} == {"calm"}
    assert limits(driver)[-1]["limit"] == 0
