"""What a chair may change of a room is declared with the fields of the record."""

from dataclasses import fields

import pytest

from tcproto.messages import UpdateRoom, decode, encode
from tcproto.names import MAX_DISPLAY_CHARACTERS
from tcserver.records import changes_of
from tcserver.records.kinds import Name, Whole
from tcserver.records.room import BY_CHAIR


def test_a_message_has_each_field_that_a_chair_may_change_and_no_other():
    assert {field.name for field in fields(UpdateRoom)} == set(BY_CHAIR)


@pytest.mark.parametrize("name", BY_CHAIR)
def test_a_message_carries_whatever_the_field_may_hold(name):
    kind = BY_CHAIR[name]
    if isinstance(kind, Whole):
        values = [kind.low, kind.high]
    elif isinstance(kind, Name):
        values = ["", "\U0001f600" * MAX_DISPLAY_CHARACTERS]
    else:
        values = [False, True]
    for value in values:
        message, _ = decode(encode(UpdateRoom(**{name: value}), 1))
        assert changes_of(message) == {name: value}


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (UpdateRoom(), {}),
        (UpdateRoom(title=""), {"title": ""}),
        (UpdateRoom(title="  Rapat   besar "), {"title": "Rapat besar"}),
        (UpdateRoom("Rapat", 7), {"title": "Rapat", "max_participants": 7}),
    ],
)
def test_changes_are_kept_as_records_keep_them(message, kept):
    assert changes_of(message) == kept


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (UpdateRoom(title="\u202e"), "a display name has 1 to 64 characters"),
        (UpdateRoom(max_participants=0), "max_participants should be a whole number from 1 to 1000, not 0"),
        (UpdateRoom(max_participants=1001), "max_participants should be a whole number from 1 to 1000, not 1001"),
    ],
)
def test_a_change_that_the_field_may_not_hold_is_refused(message, reason):
    with pytest.raises(ValueError, match=reason):
        changes_of(message)
