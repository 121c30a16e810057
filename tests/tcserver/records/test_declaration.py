"""A field is declared once: a column, a field of documents, an option, a table and the manual follow from it."""

import argparse
import json
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pytest

from tcproto.names import clean_display
from tcserver.cli.record_options import add_options, cells, given, headings
from tcserver.records import DuplicatePolicy, RoomRecord, StoreError
from tcserver.records.declaration import Declaration, Opposite, checked, fields_of
from tcserver.records.kinds import Choice, Flag, Maybe, Name, Whole
from tcserver.storage.schema import ACCOUNTS, MIGRATIONS, TABLES, migrate, steps_of
from tcserver.storage.table import Table
from tcserver.storage.transfer import Fields, exported
from tests.documents.settings_table import options_of

NEXT = len(MIGRATIONS) + 1


@dataclass(frozen=True, slots=True)
class WiderRoom(RoomRecord):
    """A room with a field of each kind that an option can set."""

    floor: Annotated[
        bool, Declaration(Flag(), "people ask first", since=NEXT, opposite=Opposite("--no-floor", "people just speak"))
    ] = True
    tiles: Annotated[int, Declaration(Whole(1, 49), "pictures on a page", since=NEXT)] = 9
    policy: Annotated[DuplicatePolicy, Declaration(Choice(tuple(DuplicatePolicy)), "who comes first", since=NEXT)] = (
        DuplicatePolicy.ALLOW
    )
    motto: Annotated[str, Declaration(Name(clean_display, may_be_empty=True), "what is above", since=NEXT)] = "it's"
    lobby: Annotated[int | None, Declaration(Maybe(Whole(0, 9), "off"), "places in the lobby", since=NEXT + 1)] = None


ROOMS = Table("rooms", WiderRoom)
WIDER = steps_of((ACCOUNTS, ROOMS))
CHANGED = WiderRoom(
    "pagi", "Pagi", floor=False, tiles=4, policy=DuplicatePolicy.REFUSE, motto="Pelan pelan", lobby=0, id=1
)


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(tmp_path / "wider.db", isolation_level=None)


def test_a_new_field_is_a_column_of_old_and_new_databases(connection: sqlite3.Connection) -> None:
    select = f"SELECT {ROOMS.selection} FROM rooms"
    migrate(connection, MIGRATIONS)
    Table("rooms", RoomRecord).insert(connection, RoomRecord("pagi", "Pagi"))
    migrate(connection, WIDER)
    assert connection.execute("PRAGMA user_version").fetchone() == (NEXT + 1,)
    assert ROOMS.read(connection.execute(select).fetchone(), roles={}) == WiderRoom("pagi", "Pagi", id=1)
    ROOMS.update(connection, CHANGED, 1)
    assert ROOMS.read(connection.execute(select).fetchone(), roles={}) == CHANGED
    for column, bad in (("tiles", 0), ("lobby", -1), ("floor", 2), ("motto", None)):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(f"UPDATE rooms SET {column} = ?", (bad,))
    connection.close()


def test_a_new_field_is_in_documents_and_missing_in_older_ones() -> None:
    document = json.loads(json.dumps(exported(CHANGED)))
    assert [document[name] for name in ("floor", "tiles", "policy", "motto", "lobby")] == [
        False, 4, "refuse", "Pelan pelan", 0,
    ]  # fmt: skip
    assert Fields(document, "room").record(WiderRoom) == replace(CHANGED, id=0)
    older = json.loads(json.dumps(exported(RoomRecord("pagi", "Pagi"))))
    assert Fields(older, "room").record(WiderRoom) == WiderRoom("pagi", "Pagi")
    with pytest.raises(StoreError, match="room: tiles should be a whole number from 1 to 49, not 50"):
        Fields({**document, "tiles": 50}, "room").record(WiderRoom)


def test_a_new_field_has_an_option_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, WiderRoom)
    words = ["--no-floor", "--tiles", "4", "--policy", "refuse", "--motto", "Pelan pelan", "--lobby", "off"]
    assert given(parser.parse_args(words), WiderRoom) == {
        "floor": False, "tiles": 4, "policy": DuplicatePolicy.REFUSE, "motto": "Pelan pelan", "lobby": None,
    }  # fmt: skip
    assert given(parser.parse_args([]), WiderRoom) == {}
    for wrong in (["--tiles", "50"], ["--floor", "--no-floor"], ["--policy", "x"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)
    assert "--tiles: should be a whole number from 1 to 49, not '50'" in capsys.readouterr().err
    text = " ".join(parser.format_help().split())
    for words_of_help in ("--floor people ask first", "--no-floor people just speak", "--tiles N pictures on a page"):
        assert words_of_help in text


def test_a_new_field_is_in_the_table_on_the_terminal_and_in_the_manual() -> None:
    shown = dict(zip(headings(WiderRoom), cells(CHANGED).values(), strict=True))
    assert [shown[name] for name in ("floor", "tiles", "motto", "lobby")] == ["no", "4", "Pelan pelan", "0"]
    rows = options_of(WiderRoom).splitlines()
    assert "| `--no-floor` | people just speak |" in rows
    assert "| `--tiles N` | pictures on a page (a whole number from 1 to 49) |" in rows
    assert "| `--policy WORD` | who comes first (one of allow, replace, refuse) |" in rows


def test_a_new_field_is_checked_with_the_others() -> None:
    assert checked(replace(CHANGED, motto="  Pelan   pelan ")).motto == "Pelan pelan"
    with pytest.raises(ValueError, match="lobby should be a whole number from 0 to 9, or off, not 10"):
        replace(CHANGED, lobby=10).checked()


def test_a_field_without_a_declaration_is_a_mistake() -> None:
    @dataclass(frozen=True)
    class Bare:
        name: str

    with pytest.raises(TypeError, match=r"Bare\.name should have one declaration"):
        fields_of(Bare)


def test_published_steps_of_the_database_never_change() -> None:
    """A step that is published stays here as it is; a new version of the database adds its own."""
    assert MIGRATIONS[1:] == (
        ("ALTER TABLE rooms ADD COLUMN loudest INTEGER CHECK (loudest >= 0)",),
        ("ALTER TABLE accounts ADD COLUMN banned TEXT",),
        ("ALTER TABLE rooms ADD COLUMN invited_only INTEGER NOT NULL DEFAULT 0 CHECK (invited_only IN (0, 1))",),
        ("ALTER TABLE accounts ADD COLUMN banned_until REAL CHECK (banned_until >= 0)",),
        ("ALTER TABLE rooms ADD COLUMN quiet_entry INTEGER NOT NULL DEFAULT 0 CHECK (quiet_entry IN (0, 1))",),
    )


def test_the_tables_are_those_that_are_declared(connection: sqlite3.Connection) -> None:
    beside = {"accounts": {"skeleton"}, "devices": {"account_id"}, "rooms": set(), "sessions": {"account_id"}}
    migrate(connection)
    for table in TABLES:
        found = {row[1]: row for row in connection.execute(f"PRAGMA table_info({table.name})")}
        assert set(found) == {column.name for column in table.columns} | beside[table.name]
        for column in table.columns:
            _, _, sql, is_required, _, is_key = found[column.name]
            assert sql == column.kind.sql, column.name
            assert bool(is_required or is_key) == (not column.kind.is_optional), column.name
    connection.close()
