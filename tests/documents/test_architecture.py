"""The maps of the packages: all names in them exist, and they are short."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.documents.reader import ROOT

MAPS = [
    ROOT / package / "ARCHITECTURE.md" for package in ("tcproto", "tcserver", "tcclient", "tcclient/web", "benchmarks")
]
MOST_LINES = 130
"""Two printed pages."""
QUOTED = re.compile(r"`([^`]+)`")
PLACE = re.compile(r"([a-z_0-9/-]+(?:\.py|\.ts|\.md|/))(?:::?(.+))?")
"""A file or a folder, with one of its functions or classes behind a colon."""


def places(document: Path) -> list[tuple[str, str]]:
    """Return the files and folders that a document names, each with the name in it or nothing."""
    found = [PLACE.fullmatch(text) for text in QUOTED.findall(document.read_text(encoding="utf-8"))]
    return [(match[1], match[2] or "") for match in found if match]


def definitions(path: Path) -> set[str]:
    """Return the names that a file defines: classes, functions, constants.

    Names of a class are given alone, and behind its name.
    """
    found: set[str] = set()

    def look(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    look(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    look(ast.parse(path.read_bytes()).body, "")
    return found


@pytest.mark.parametrize("document", MAPS, ids=lambda path: path.parent.name)
def test_what_a_map_names_is_there(document: Path) -> None:
    named = places(document)
    assert len(named) > 10
    for place, name in named:
        path = document.parent / place if (document.parent / place).exists() else ROOT / place
        assert path.exists(), place
        if name:
            assert name.removesuffix("()") in definitions(path), f"{place}: {name}"


@pytest.mark.parametrize("document", MAPS, ids=lambda path: path.parent.name)
def test_a_map_is_short(document: Path) -> None:
    assert len(document.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_each_folder_of_a_package_stands_in_its_map() -> None:
    for document in MAPS:
        text = document.read_text(encoding="utf-8")
        for folder in sorted({path.parent for path in document.parent.rglob("*.py")} - {document.parent}):
            assert f"`{folder.relative_to(document.parent).as_posix()}/`" in text, folder


def test_wrong_names_would_be_found(tmp_path: Path) -> None:
    document = tmp_path / "ARCHITECTURE.md"
    document.write_text("`noise.py:Handshake.write()`, `none.py`, `media/`, `not a place`, `x.y`")
    assert places(document) == [("noise.py", "Handshake.write()"), ("none.py", ""), ("media/", "")]
    source = tmp_path / "source.py"
    source.write_text("LIMIT = 1\nclass A:\n    b: int = 2\n    def c(self): ...\nasync def d(): ...\n")
    assert definitions(source) == {"LIMIT", "A", "A.b", "A.c", "d"}
