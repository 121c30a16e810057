"""Lives of rooms: none comes back after another one has followed it."""

import pytest

from tcclient.core.membership.distrust import Distrust
from tcclient.core.membership.lives import MAX_KEPT, MAX_LIVES, MAX_ROOMS, Lives

SERVER, OTHER = b"s" * 20, b"o" * 20


def life(number):
    return number.to_bytes(16, "big")


def test_a_meeting_that_goes_on_is_entered_again_and_is_known():
    lives = Lives()
    first = lives.enter(SERVER, "room", life(1))
    lives.enter(SERVER, "elsewhere", life(9))
    assert lives.enter(SERVER, "room", life(1)) is first


def test_a_life_that_another_one_followed_is_over():
    lives = Lives()
    first = lives.enter(SERVER, "room", life(1))
    assert lives.enter(SERVER, "room", life(2)) is not first
    for _ in range(2):
        with pytest.raises(Distrust, match="over"):
            lives.enter(SERVER, "room", life(1))
    lives.enter(SERVER, "room", life(3))
    with pytest.raises(Distrust, match="over"):
        lives.enter(SERVER, "room", life(2))
    lives.enter(SERVER, "room", life(3))


@pytest.mark.parametrize("where", [(SERVER, "elsewhere"), (OTHER, "room")])
def test_a_life_belongs_to_one_room_of_one_server(where):
    lives = Lives()
    lives.enter(SERVER, "room", life(1))
    with pytest.raises(Distrust, match="another room"):
        lives.enter(*where, life(1))
    lives.enter(SERVER, "room", life(1))


def test_of_more_rooms_than_are_kept_the_oldest_is_over():
    lives = Lives()
    for number in range(MAX_ROOMS):
        lives.enter(SERVER, f"room {number}", life(number))
    lives.enter(SERVER, "room 0", life(0))
    lives.enter(SERVER, "one more", life(MAX_ROOMS))
    lives.enter(SERVER, "room 0", life(0))
    with pytest.raises(Distrust, match="over"):
        lives.enter(SERVER, "room 1", life(1))


def test_box_keys_are_kept_of_the_lives_entered_last():
    lives = Lives()
    kept = [lives.enter(SERVER, f"room {number}", life(number)) for number in range(MAX_KEPT)]
    assert lives.enter(SERVER, "room 0", life(0)) is kept[0]
    lives.enter(SERVER, "one more", life(MAX_KEPT))
    assert lives.enter(SERVER, "room 0", life(0)) is kept[0]
    assert lives.enter(SERVER, "room 1", life(1)) is not kept[1]


def test_no_life_is_forgotten_at_the_bound():
    lives = Lives()
    for number in range(MAX_LIVES):
        lives.enter(SERVER, "room", life(number))
    with pytest.raises(Distrust, match="start it again"):
        lives.enter(SERVER, "room", life(MAX_LIVES))
    lives.enter(SERVER, "room", life(MAX_LIVES - 1))
    with pytest.raises(Distrust, match="over"):
        lives.enter(SERVER, "room", life(0))
