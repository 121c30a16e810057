import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcproto.messages import Role
from tcserver.records import Account, DeviceRecord, DuplicatePolicy, RoomRecord, StoreError
from tcserver.storage.database import Database
from tcserver.storage.transfer import MAX_DOCUMENT_BYTES, export_document, import_document

FINGERPRINT = bytes(range(20))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "one.db") as opened:
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "other.db") as opened:
        yield opened


def fill(database: Database) -> None:
    challenge = Challenge(b"s" * 16, DEFAULT_MEMORY, DEFAULT_PASSES)
    database.add_account(
        Account(
            "kantor-1", "Kantor Satu", challenge, b"k" * 32, 5.25, Role.CHAIR, True, 3, DuplicatePolicy.REPLACE, True
        )
    )
    database.add_account(Account("kantor-2", "Kantor Dua 🎉", challenge, b"k" * 32, 6))
    database.enroll_device(DeviceRecord("kantor-1", b"d" * 32, "desk", 7.0))
    roles, permissions = {"kantor-2": Role.CHAIR}, {Role.OBSERVER: 3}
    database.add_room(RoomRecord("Pagi 🎉", "", False, 9, 0, Role.LISTENER, roles, permissions))
    database.add_room(RoomRecord("Sore", ""))


@pytest.fixture
def document(database: Database) -> dict[str, Any]:
    fill(database)
    parsed: dict[str, Any] = json.loads(export_document(database, FINGERPRINT))
    return parsed


def test_everything_comes_back_from_an_export(database: Database, other: Database) -> None:
    fill(database)
    text = export_document(database, FINGERPRINT)
    assert import_document(other, text.encode(), FINGERPRINT) == (2, 2)
    assert other.accounts() == database.accounts()
    assert other.rooms() == database.rooms()
    assert other.devices("kantor-1") == database.devices("kantor-1")
    assert export_document(other, FINGERPRINT) == text


def test_a_document_from_before_rooms_had_a_number_of_talkers(other: Database, document: dict[str, Any]) -> None:
    for room in document["rooms"]:
        del room["loudest"]
    assert import_document(other, json.dumps(document).encode(), FINGERPRINT) == (2, 2)
    assert [room.loudest for room in other.rooms()] == [None, None]


def test_the_document_of_another_server_needs_a_word(other: Database, document: dict[str, Any]) -> None:
    content = json.dumps(document).encode()
    with pytest.raises(StoreError, match=r"another identity\.key"):
        import_document(other, content, b"x" * 20)
    assert import_document(other, content, b"x" * 20, other_server=True) == (2, 2)


def test_whole_numbers_are_read_as_times(other: Database, document: dict[str, Any]) -> None:
    document["accounts"][1]["created"] = 6
    import_document(other, json.dumps(document).encode(), FINGERPRINT)
    assert other.accounts()[1].created == 6.0


Damage = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda d: d.update(format="other"), "no tcserver export of version 1"),
        (lambda d: d.update(version=2), "no tcserver export of version 1"),
        (lambda d: d.update(version=True), "document: version should be of type int"),
        (lambda d: d.pop("rooms"), "document: rooms is missing"),
        (lambda d: d.update(extra=1), "document: unknown field 'extra'"),
        (lambda d: d.update(accounts={}), "document: accounts should be of type list"),
        (lambda d: d.update(accounts=[1]), r"document\.accounts\[0\]: an object is expected"),
        (lambda d: d["accounts"][1].update(name="a b"), r"document\.accounts\[1\]: an account name has only"),
        (lambda d: d["accounts"][1].update(name="kantor-1"), r"document\.accounts\[1\]: an account named"),
        (lambda d: d["accounts"][0].update(salt="?"), r"accounts\[0\]: salt should be 16 bytes in base64, not "),
        (lambda d: d["accounts"][0].update(salt="é"), r"accounts\[0\]: salt should be 16 bytes in base64, not "),
        (lambda d: d["accounts"][0].update(salt="AAAA"), r"accounts\[0\]: salt should be 16 bytes, not 3"),
        (lambda d: d["accounts"][0].update(memory=1), r"accounts\[0\]: memory should be a whole number from 67108864"),
        (lambda d: d["accounts"][0].update(memory=10**30), r"accounts\[0\]: memory should be a whole number"),
        (
            lambda d: d["accounts"][0].update(created=10**400),
            r"accounts\[0\]: created should be a number from 0 to 253402300799, not 1",
        ),
        (lambda d: d["accounts"][0].update(created=float("nan")), "no JSON"),
        (lambda d: d["accounts"][0].update(disabled=1), r"accounts\[0\]: disabled should be true or false, not 1"),
        (lambda d: d["accounts"][0].update(role="king"), r"accounts\[0\]: role should be one of admin"),
        (lambda d: d["accounts"][0].update(role=3), r"accounts\[0\]: role should be one of admin"),
        (lambda d: d["accounts"][0].update(duplicates="x"), r"duplicates should be one of allow, replace, refuse"),
        (lambda d: d["accounts"][0].update(generation=7), r"accounts\[0\]: unknown field 'generation'"),
        (
            lambda d: d["accounts"][0]["devices"][0].update(key="AA=="),
            r"accounts\[0\]\.devices\[0\]: key should be 32 bytes, not 1",
        ),
        (
            lambda d: d["rooms"][0].update(loudest="3"),
            r"rooms\[0\]: loudest should be a whole number from 0 to 1000, or default, not '3'",
        ),
        (
            lambda d: d["rooms"][0].update(loudest=-1),
            r"rooms\[0\]: loudest should be a whole number from 0 to 1000, or default, not -1",
        ),
        (lambda d: d["rooms"][0].update(name="a/b"), r"rooms\[0\]: a room name has no slash"),
        (lambda d: d["rooms"][0].update(roles={"nobody": "chair"}), r"rooms\[0\]: there is no account named 'nobody'"),
        (lambda d: d["rooms"][0].update(roles={"kantor-1": "king"}), r"rooms\[0\]: roles\.kantor-1 should be one of"),
        (
            lambda d: d["rooms"][0].update(permissions={"chair": "3"}),
            r"rooms\[0\]: permissions\.chair should be a whole number",
        ),
        (lambda d: d["rooms"][0].update(permissions={"king": 3}), r"rooms\[0\]: permissions should be one of"),
        (
            lambda d: d["rooms"][0].update(permissions={"chair": 1 << 16}),
            r"rooms\[0\]: permissions\.chair should be a whole number from 0 to 65535",
        ),
    ],
)
def test_a_bad_document_is_refused_whole_with_place_and_reason(
    other: Database, document: dict[str, Any], damage: Damage, reason: str
) -> None:
    damage(document)
    with pytest.raises(StoreError, match=reason):
        import_document(other, json.dumps(document).encode(), FINGERPRINT)
    assert other.accounts() == []
    assert other.rooms() == []


def test_an_import_over_what_is_there_changes_nothing(database: Database, document: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="exists"):
        import_document(database, json.dumps(document).encode(), FINGERPRINT)
    assert len(database.accounts()) == 2


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"[]", b"null", b'{"format": '])
def test_what_is_no_document_is_refused(other: Database, content: bytes) -> None:
    with pytest.raises(StoreError, match="document"):
        import_document(other, content, FINGERPRINT)


def test_the_size_of_a_document_is_bounded(other: Database) -> None:
    with pytest.raises(StoreError, match=f"more than {MAX_DOCUMENT_BYTES} bytes"):
        import_document(other, bytes(MAX_DOCUMENT_BYTES + 1), FINGERPRINT)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JSON)
def test_any_value_at_any_place_is_stored_or_refused(
    database: Database, other: Database, data: st.DataObject, value: object
) -> None:
    if not database.accounts():
        fill(database)
    document = json.loads(export_document(database, FINGERPRINT))
    record = data.draw(st.sampled_from([document, *document["accounts"], *document["rooms"]]))
    record[data.draw(st.sampled_from(sorted(record)))] = value
    try:
        with other.transaction():
            import_document(other, json.dumps(document).encode(), FINGERPRINT)
            raise StoreError("undone, for the next example")
    except StoreError:
        pass
    assert other.accounts() == []
