"""The events of programs: those of the session, with the objects of the room."""

import dataclasses
import typing
from typing import Any

import pytest

import tcclient
from tcclient import events
from tcclient.core import events as core

MEMBERS = typing.get_args(events.Event)


def kind_of(member: Any) -> type:
    return typing.get_origin(member) or member


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: kind_of(member).__name__)
def test_each_event_is_frozen_and_can_be_had_from_the_library(member: Any) -> None:
    kind = kind_of(member)
    assert getattr(tcclient, kind.__name__) is kind
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_no_two_classes_have_the_name_of_one_event() -> None:
    theirs = {kind_of(member).__name__: kind_of(member) for member in typing.get_args(core.Event)}
    for member in MEMBERS:
        kind = kind_of(member)
        assert theirs.get(kind.__name__, kind) is kind


def test_an_event_about_a_participant_keeps_the_rest() -> None:
    left = core.ParticipantLeft(7, tcclient.ErrorCode.KICKED)
    who = object()
    assert left.about(who) == core.ParticipantLeft(who, tcclient.ErrorCode.KICKED)
    assert left.participant == 7
    chat = core.ChatReceived(7, "A / B", "halo", tcclient.ChatScope.ROOM, 5, b"id", sealed=True)
    assert chat.about(None) == core.ChatReceived(None, "A / B", "halo", tcclient.ChatScope.ROOM, 5, b"id", True)


def test_an_event_about_a_track_keeps_its_kind() -> None:
    track = object()
    for kind in (core.TrackPublished, core.TrackUpdated, core.TrackUnpublished):
        told = kind("info").about(track)
        assert type(told) is kind
        assert told.track is track


def test_events_are_matched_by_what_they_are_about() -> None:
    match core.MemberSilent("who"):
        case events.ParticipantEvent(who):
            assert who == "who"
        case _:
            pytest.fail("a silent member is a participant")
