from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcproto import document
from tcproto.document import DOCUMENT, render, replaced
from tcproto.errors import CODES, ErrorCode
from tcproto.messages import ROWS
from tests.documents import protocol_limits

TEXT = DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", render())
def test_table_is_current(name: str) -> None:
    assert replaced(TEXT, {name: render()[name]}) == TEXT, "stale: run python -m tcproto.document"


@pytest.mark.parametrize("name", protocol_limits.tables())
def test_limits_are_current(name: str) -> None:
    assert replaced(TEXT, {name: protocol_limits.tables()[name]}) == TEXT, (
        "stale: run python -m tests.documents.protocol_limits"
    )


def test_all_generated_places_have_a_maker() -> None:
    assert set(re.findall("<!-- begin generated: (.*) -->", TEXT)) == {*render(), *protocol_limits.tables(), "vectors"}


def test_every_message_and_every_code_is_there() -> None:
    tables = render()
    assert set(re.findall("^#### `(.*)`$", tables["messages"], re.MULTILINE)) == set(ROWS)
    assert (
        set(re.findall("^\\| `(.*?)`", tables["errors"], re.MULTILINE))
        == {str(code) for code in ErrorCode}
        == set(CODES)
    )


def test_every_link_inside_the_document_leads_somewhere() -> None:
    headings = re.findall("^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub("[^\\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall("\\]\\(#(.*?)\\)", TEXT)) <= anchors


@pytest.mark.parametrize("text", ["", 2 * "<!-- begin generated: x -->\n<!-- end generated: x -->\n"])
def test_place_missing_or_there_twice(text: str) -> None:
    with pytest.raises(ValueError, match="'x'"):
        replaced(text, {"x": "table"})


def test_a_stale_document_is_brought_up_to_date(tmp_path: Path) -> None:
    stale = tmp_path / "PROTOCOL.md"
    stale.write_text(replaced(TEXT, {"errors": "stale"}), encoding="utf-8")
    document.main(stale)
    assert stale.read_text(encoding="utf-8") == TEXT


def test_notes_of_a_class_inside_a_function() -> None:
    class Hidden:
        """Not found by its name."""

    with pytest.raises(ValueError, match="Hidden"):
        document.notes_of(Hidden)
