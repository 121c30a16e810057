"""The list of sessions is written from time to time, and names all sessions at the end."""

import random
from dataclasses import replace

from tcserver.records import SessionRecord
from tcserver.storage.session_book import SessionBook

RECORD = SessionRecord("", "kantor-1", bytes(32), "Sri", "192.0.2.1", 0.0)


def test_the_list_is_right_whatever_fails_meanwhile() -> None:
    chance = random.Random(7)
    book, table, on = SessionBook(), {"old": RECORD}, {}
    pending = None
    for number in range(5000):
        if chance.random() < 0.5:
            on[str(number)] = session = replace(RECORD, session_id=str(number))
            book.begun(session)
        elif on:
            gone = chance.choice(list(on))
            del on[gone]
            book.ended(gone)
        if pending is not None and chance.random() < 0.4:
            changes, afresh = pending
            ok = chance.random() < 0.5
            if ok:
                table = {} if afresh else table
                for key, session in changes.items():
                    table.pop(key, None)
                    table |= {key: session} if session else {}
            book.written(ok)
            pending = None
        elif pending is None and chance.random() < 0.3:
            pending = book.take()
        assert len(book) <= len(on) + len(table) + 1 + len(pending[0] if pending else ())
    if pending is not None:
        book.written(False)
    changes, _ = book.take()
    for key, session in changes.items():
        table.pop(key, None)
        table |= {key: session} if session else {}
    assert table == on


def test_a_list_of_an_earlier_run_is_due_until_it_is_forgotten() -> None:
    book = SessionBook()
    assert book.is_due
    assert book.take() == ({}, True)
    book.written(False)
    assert book.is_due
    assert book.take()[1]
    book.written(True)
    assert not book.is_due


def test_who_comes_and_goes_between_two_writings_is_not_written() -> None:
    book = SessionBook()
    book.begun(replace(RECORD, session_id="1"))
    book.ended("1")
    assert len(book) == 0
