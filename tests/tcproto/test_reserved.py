"""The names of tcproto that nobody uses, and the table of reserved things."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tcproto.document import DOCUMENT, render
from tcproto.errors import ErrorCode
from tcproto.reserved import RESERVED

ROOT = Path(__file__).parents[2]
PACKAGES = ("tcproto", "tcserver", "tcclient")

# Reserved, and named all the same where it is numbered, given or refused: in these modules, and in no other.
NAMED: dict[str, set[str]] = {
    "messages.login.ClientHello.features": {"tcproto/control.py"},  # always empty
    "messages.login.ServerHello.features": {"tcproto/control.py"},
    "messages.types.Source.DATA": {"tcproto/sender_key.py", "tcclient/core/membership/roster.py"},  # numbers in keys
    "messages.types.Kind.DATA": {"tcproto/sender_key.py", "tcclient/core/membership/roster.py"},
    "packet.PacketType.DATA": {"tcproto/sender_key.py", "tcclient/core/membership/roster.py"},
    "errors.ErrorCode.ROOM_EXISTS": {"tcproto/errors.py"},  # has its text
    "datagram.Kind.RELAY": {"tcserver/media/relay/wire.py"},  # between the media processes of one server
    "datagram.ItemType.KEYFRAME_REQUEST": {"tcserver/media/plane/plane.py"},  # taken for the message
    "feedback.Head": {"tcproto/feedback.py"},  # made by their parsers
    "feedback.NotSent": {"tcproto/feedback.py"},
}
# In use on the wire, though none of the two programs here calls or reads it.
FOR_OTHERS = {
    "keyring.KeyRing.knows": "tells tests what was forgotten",
    "messages.login.ProbeTicket.lifetime_ms": "the probe here takes less time than any ticket lives",
    "messages.types.ClassRate.per_minute": "this client sends less, and heeds retry_after_ms",
    "messages.types.Limits.requests_per_second": "for clients that know no classes",
}


class Use(NamedTuple):
    """A place where an identifier is read: the file, and the class and function around it."""

    path: Path
    scope: tuple[str, ...]


@cache
def uses() -> dict[str, set[Use]]:
    """All places in the three packages by the identifier, names in ``import`` lines left out."""
    found: dict[str, set[Use]] = defaultdict(set)

    def visit(node: ast.AST, path: Path, scope: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scope
            match child:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    inner = (*scope, name)
                case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                    found[name].add(Use(path, scope))
            visit(child, path, inner)

    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            visit(ast.parse(path.read_bytes()), path, ())
    return found


def declared(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """The public names that statements define or assign."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from ((name, statement) for name in names if not name.startswith("_"))


def without_users() -> set[str]:
    """Public names of tcproto that are read nowhere but in their own definition."""
    found = set()
    for path in (ROOT / "tcproto").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT / "tcproto").with_suffix("").parts)
        for name, statement in declared(ast.parse(path.read_bytes()).body):
            if not any(use.path != path or use.scope[:1] != (name,) for use in uses()[name]):
                found.add(f"{module}.{name}")
            for member, _ in declared(statement.body if isinstance(statement, ast.ClassDef) else []):
                own = (name, member)
                if not any(use.path != path or use.scope[:2] != own for use in uses()[member]):
                    found.add(f"{module}.{name}.{member}")
    return found


def listed() -> list[str]:
    return [name for row in RESERVED for name in row.names]


def test_each_name_stands_once() -> None:
    names = listed()
    assert len(set(names)) == len(names)
    assert not set(names) & set(FOR_OTHERS)
    assert set(NAMED) <= set(names)


@pytest.mark.parametrize("name", listed())
def test_each_reserved_name_exists(name: str) -> None:
    *modules, last = name.split(".")
    try:
        owner = importlib.import_module(".".join(("tcproto", *modules)))
    except ModuleNotFoundError:
        *modules, cls = modules
        owner = getattr(importlib.import_module(".".join(("tcproto", *modules))), cls)
    assert hasattr(owner, last)


def test_what_has_no_user_is_reserved_and_what_is_reserved_has_none() -> None:
    assert without_users() - set(FOR_OTHERS) == set(listed()) - set(NAMED)
    assert set(FOR_OTHERS) <= without_users()


@pytest.mark.parametrize("name", NAMED)
def test_what_is_reserved_is_named_in_known_places_only(name: str) -> None:
    last = name.rpartition(".")[2]
    places = {use.path.relative_to(ROOT).as_posix() for use in uses()[last] if use.scope[-1:] != (last,)}
    assert places == NAMED[name]


@pytest.mark.parametrize("code", ErrorCode)
def test_each_error_code_is_used_or_reserved(code: ErrorCode) -> None:
    used = any(use.path.name != "errors.py" or use.path.parent.name != "tcproto" for use in uses()[code.name])
    assert used is not (f"errors.ErrorCode.{code.name}" in listed())


def test_what_the_tables_call_reserved_is_listed() -> None:
    """Each line of a generated table that says so has its name in the table of all that is reserved."""
    text = DOCUMENT.read_text(encoding="utf-8")
    table = render()["reserved"]
    lines = [line for name, made in render().items() if name != "reserved" for line in made.splitlines()]
    marked = [line.split("|") for line in lines if line.startswith("|") and "Reserved" in line]
    assert len(marked) > 5
    for _, first, second, *_ in marked:
        name = second.strip() if first.strip().isdigit() or first.strip().startswith("0x") else first.strip()
        assert name.strip("`") in table
    assert table in text
