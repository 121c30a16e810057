"""What of tcproto nobody uses, and what the table of reserved things says of it."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tcproto.document import DOCUMENT
from tcproto.reserved import RESERVED

ROOT = Path(__file__).parents[2]
PACKAGES = ("tcproto", "tcserver", "tcclient")

# Reserved, and named where it is refused, given or numbered: in these modules it does not count as used.
NAMED = {
    "messages.types.Source.DATA": "has a number in keys",
    "messages.types.Kind.DATA": "has a number in keys, and packets of a type of its own",
    "packet.PacketType.DATA": "is what the packets of a publication of the kind data would be",
    "messages.types.Permission.MUTE_OTHERS": "is given to admins",
    "messages.types.LayerInterest": "is in the message Interest",
    "messages.login.Resumed": "is the answer to Resume, which the server refuses",
    "messages.login.ClientHello.features": "is in the hello, and always empty",
    "messages.login.ServerHello.features": "is in the hello, and always empty",
    "datagram.Kind.RELAY": "is the first byte between the media processes of one server",
    "datagram.ItemType.KEYFRAME_REQUEST": "is taken by the server",
    "feedback.ArrivalReport": "is made by parse_arrival_report",
    "feedback.Reception": "is made by parse_receiver_report",
    "feedback.Head": "is made by parse_heads",
    "feedback.NotSent": "is made by parse_not_sent",
    "feedback.RetransmissionRequest": "is made by parse_retransmission_request",
}
# In use on the wire, though none of the two programs here calls or reads it.
FOR_OTHERS = {
    "copies.pack_copies": "copies are the publisher's choice, and this client sends none",
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
def test_what_is_only_named_is_used_somewhere(name: str) -> None:
    assert name not in without_users(), "the line in NAMED is not needed"


def test_the_appendix_has_a_heading_for_what_a_table_calls_reserved() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(row.what in text for row in RESERVED)
