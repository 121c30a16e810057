"""The generated tables of PROTOCOL.md: messages, records, codes and items, as the code has them.

``python -m tcproto.document`` brings the document up to date. A table stands between two comments::

    <!-- begin generated: NAME -->
    <!-- end generated: NAME -->
"""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import IntEnum, StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from tcproto import datagram, errors, messages, packet, stream_path
from tcproto.codec import describe
from tcproto.messages import ROWS, Permission, Sender, State, types
from tcproto.messages.login import ClientHello, ServerHello
from tcproto.messages.registry import Row
from tcproto.reserved import RESERVED

DOCUMENT = Path(__file__).with_name("PROTOCOL.md")
_SENDERS = {Sender.CLIENT: "client", Sender.SERVER: "server", Sender.BOTH: "both"}


def render() -> dict[str, str]:
    """Return all tables of this module by name."""
    return {name: make() for name, make in _TABLES.items()}


def replaced(text: str, tables: Mapping[str, str]) -> str:
    """Return ``text`` with these tables in their places.

    Raises ``ValueError`` where a place is missing or there twice.
    """
    for name, table in tables.items():
        begin, end = f"<!-- begin generated: {name} -->\n", f"<!-- end generated: {name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the document has no place, or two, for {name!r}")
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def _messages() -> str:
    overview = _table(
        ("`t`", "from", "states", "answer"),
        ((f"[`{name}`](#{name})", _sender(row), _states(row), _answer(row)) for name, row in ROWS.items()),
    )
    return "\n\n".join([overview, *(_section(f"`{name}`", row.message, _row_words(row)) for name, row in ROWS.items())])


def _hellos() -> str:
    return "\n\n".join(_section(f"map {cls.__name__}", cls) for cls in (ClientHello, ServerHello))


def _records() -> str:
    return "\n\n".join(
        _section(f"map {cls.__name__}", cls) for cls in _records_of(row.message for row in ROWS.values())
    )


def _records_of(classes: Iterable[type]) -> list[type]:
    """Return the records inside these message classes, each once, in the order in which they are found."""
    found: dict[type, None] = {}

    def visit(hint: Any) -> None:
        if isinstance(hint, type) and is_dataclass(hint):
            if hint not in found:
                found[hint] = None
                visit_fields(hint)
            return
        for argument in typing.get_args(hint):
            visit(argument)

    def visit_fields(cls: type) -> None:
        for hint in typing.get_type_hints(cls, include_extras=True).values():
            visit(hint)

    for cls in classes:
        visit_fields(cls)
    return list(found)


def _section(title: str, cls: type, first: str = "") -> str:
    notes = notes_of(cls)
    rows = [(f"`{row.name}`", row.type, row.presence, notes.get(row.name, "")) for row in describe(cls)]
    parts = [f"#### {title}", "\n".join(filter(None, (first, _line(cls.__doc__))))]
    if rows:
        parts.append(_table(("field", "type", "presence", ""), rows))
    return "\n\n".join(parts)


def _sender(row: Row) -> str:
    return _SENDERS[row.sender]


def _states(row: Row) -> str:
    return "" if row.reply else "any" if row.states == State.ANY else ", ".join(str(s.name) for s in row.states)


def _answer(row: Row) -> str:
    if row.reply:
        return "*is a reply*"
    return "" if row.answer is None else f"`{messages.row_of(row.answer).name}`"


def _row_words(row: Row) -> str:
    if row.reply:
        return f"Reply of {'either side' if row.sender is Sender.BOTH else f'the {_sender(row)}'}."
    what = "Notification" if row.answer is None else f"Request, answered by {_answer(row)},"
    who = "either side" if row.sender is Sender.BOTH else f"the {_sender(row)}"
    where = "any state" if row.states == State.ANY else _states(row)
    return f"{what} of {who} in {where}."


def _enums() -> str:
    parts: list[str] = []
    enums: list[type[StrEnum]] = [*_enums_of(types), errors.Action]
    for cls in enums:
        notes = notes_of(cls)
        values = [(f"`{member.value}`", notes.get(member.name, "")) for member in cls if member.name != "UNKNOWN"]
        parts += [f"#### {cls.__name__}", _line(cls.__doc__), _table(("value", ""), values)]
    notes = notes_of(Permission)
    rows = [(f"{bit.value:#06x}", str(bit.name), notes.get(str(bit.name), "")) for bit in Permission]
    parts += ["#### Permission", _line(Permission.__doc__), _table(("bit", "name", ""), rows)]
    return "\n\n".join(parts)


def _enums_of(module: ModuleType) -> list[type[StrEnum]]:
    found = [cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, StrEnum)]
    return [cls for cls in found if cls.__module__ == module.__name__]


def _errors() -> str:
    return _table(
        ("code", "action", "text"),
        ((f"`{code.value}`", info.action.value, info.text) for code, info in errors.CODES.items()),
    )


def _items() -> str:
    return _numbers(datagram.ItemType)


def _kinds() -> str:
    return _numbers(datagram.Kind)


def _stream_messages() -> str:
    return _numbers(stream_path.MessageKind)


def _stream_closes() -> str:
    return _numbers(stream_path.CloseCode)


def _packet_types() -> str:
    return _numbers(packet.PacketType)


def _reserved() -> str:
    rows = ((row.what, row.today, ", ".join(f"`{name}`" for name in row.names)) for row in RESERVED)
    return _table(("reserved", "in version 1", "in tcproto"), rows)


def _numbers(cls: type[IntEnum]) -> str:
    notes = notes_of(cls)
    return _table(("value", "name", ""), ((str(m.value), m.name, notes.get(m.name, "")) for m in cls))


_TABLES: dict[str, Callable[[], str]] = {
    "hellos": _hellos,
    "messages": _messages,
    "records": _records,
    "enums": _enums,
    "kinds": _kinds,
    "items": _items,
    "stream messages": _stream_messages,
    "stream closes": _stream_closes,
    "packet types": _packet_types,
    "errors": _errors,
    "reserved": _reserved,
}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _line(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc or "").replace("``", "`").split())


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def notes_of(owner: type) -> dict[str, str]:
    """Return the strings below the assignments of a class, by the assigned name."""
    module = importlib.import_module(owner.__module__)
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == owner.__name__:
            return dict(_notes_in(node.body))
    raise ValueError(f"{owner.__name__} is not defined in {owner.__module__}")


def _notes_in(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, after in pairwise(body):
        match statement, after:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, _line(text)


def main(document: Path = DOCUMENT) -> None:
    """Write the tables into the document."""
    document.write_text(replaced(document.read_text(encoding="utf-8"), render()), encoding="utf-8")


if __name__ == "__main__":
    main()
