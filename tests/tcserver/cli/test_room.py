"""``tcserver room``: permanent rooms."""

from pathlib import Path

from tcproto.messages import Permission, Role
from tcserver.records import RIGHTS
from tests.support.server_command import Run, add, open_database


def test_rooms_are_added_changed_listed_and_removed(run: Run, data: Path) -> None:
    add(run)
    assert run("room", "add", "Rapat Pagi 🎉", "--no-e2ee", "--max-participants", "7").status == 0
    assert run("room", "add", "rapat  pagi 🎉").err == "tcserver: a room named 'rapat pagi 🎉' exists\n"
    assert run("room", "role", "rapat pagi 🎉", "Kantor-1", "chair").status == 0
    options = ("--e2ee", "--default-role", "listener", "--max-participants", "8", "--title", "Pagi", "--loudest", "5")
    assert run("room", "set", "rapat pagi 🎉", *options).status == 0
    header, line = run("room", "list").out.splitlines()
    words = "NAME TITLE ENCRYPTION PARTICIPANTS LOUDEST DEFAULT ROLES RIGHTS ENTRY MICROPHONES"
    assert header.split() == words.split()
    ends = ["-", "everybody", "open"]
    assert line.split() == ["rapat", "pagi", "🎉", "Pagi", "end-to-end", "8", "5", "listener", "kantor-1=chair", *ends]
    assert run("room", "set", "rapat pagi 🎉", "--name", "Sore").status == 0
    with open_database(data) as database:
        assert database.rooms()[0].loudest == 5
    assert run("room", "set", "sore", "--loudest", "default", "--invited-only", "--quiet-entry").status == 0
    assert run("room", "list").out.splitlines()[1].split()[-2:] == ["invited", "muted"]
    assert run("room", "set", "sore", "--everybody", "--open-entry").status == 0
    assert run("room", "list").out.splitlines()[1].split()[-2:] == ["everybody", "open"]
    result = run("room", "set", "sore", "--loudest", "some")
    assert result.status == 2
    assert result.err == (
        "tcserver: argument --loudest: should be a whole number from 0 to 1000, or default, not 'some'"
        " (see: tcserver room set --help)\n"
    )
    result = run("room", "set", "sore", "--loudest", "1001")
    assert result.status == 2
    assert "should be a whole number from 0 to 1000, or default, not '1001'" in result.err
    assert run("room", "list").out.splitlines()[1].split()[2:6] == ["end-to-end", "8", "-", "listener"]
    assert run("room", "role", "sore", "kantor-1", "none").status == 0
    with open_database(data) as database:
        (room,) = database.rooms()
    assert (room.name, room.title, room.e2ee, room.max_participants, room.roles) == ("sore", "Sore", True, 8, {})
    assert run("room", "role", "sore", "two words", "chair").status == 2
    assert run("room", "remove", "sore").status == 0
    assert run("room", "remove", "sore").status == 2


def test_a_room_can_be_the_first_thing_made(run: Run, data: Path) -> None:
    assert run("room", "add", "a", "--set", "rooms.max_participants=5").status == 0
    with open_database(data) as database:
        assert database.rooms()[0].max_participants == 5


def test_what_a_role_may_do_in_a_room_is_set_shown_and_taken_back(run: Run, data: Path) -> None:
    add(run)
    assert run("room", "add", "a").status == 0

    def shown() -> str:
        return run("room", "list").out.splitlines()[1].split()[-3]

    def bits() -> dict[Role, int]:
        with open_database(data) as database:
            return dict(database.rooms()[0].permissions)

    assert run("room", "permit", "a", "speaker", "chat", "hear", "voice").status == 0
    hear, voice, chat = Permission.SUBSCRIBE, Permission.PUBLISH_AUDIO, Permission.CHAT_ROOM
    assert (shown(), bits()) == ("speaker=hear,voice,chat", {Role.SPEAKER: int(hear | voice | chat)})
    assert run("room", "permit", "a", "listener", "nothing").status == 0
    assert run("room", "permit", "a", "speaker", "default").status == 0
    assert (shown(), bits()) == ("listener=nothing", {Role.LISTENER: 0})
    for wrong in (("speaker", "hear", "default"), ("speaker", "sing"), ("king", "hear"), ("speaker",)):
        assert run("room", "permit", "a", *wrong).status == 2
    assert run("room", "permit", "b", "speaker", "hear").status == 2
    assert bits() == {Role.LISTENER: 0}


def test_an_operator_has_a_word_for_every_permission() -> None:
    assert sorted(RIGHTS.values()) == sorted(Permission)
