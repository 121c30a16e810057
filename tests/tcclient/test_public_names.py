"""All names in public signatures are in ``tcclient`` itself."""

import ast
import enum
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tcclient

PACKAGES = ("tcclient", "tcproto")
INTERNAL = {
    "AccountSecret": {"key"},
    "Participant": {"update", "mark"},
    "Publication": {"announced", "look", "start", "receive"},
    "Room": {"connection", "open", "tell_fault"},
    "Track": {"info", "receive", "tend", "update", "end"},
    "Listener": {"add", "remove", "run"},
    "RoomRecording": {"end", "flush", "close", "retry", "speaker", "take"},
}
"""Names that only the library uses, and that the guide does not mention."""
MADE_BY_THE_LIBRARY = {"Room", "Participant", "Publication", "Track", "Listener", "RoomRecording"}


def exported() -> dict[str, Any]:
    return {name: getattr(tcclient, name) for name in tcclient.__all__}


def names_of(module: types.ModuleType) -> dict[str, Any]:
    """Return the names of a module, with those that only a type checker imports."""
    found = dict(vars(module))
    assert module.__file__ is not None
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(ast.unparse(ast.Module([s for s in node.body if not isinstance(s, ast.Expr)], [])), found)
    return found


def hints(thing: Any) -> dict[str, Any]:
    homes = [part.__module__ for part in (thing.__mro__ if inspect.isclass(thing) else (thing,))]
    names: dict[str, Any] = {}
    for module in reversed([home for home in homes if home.split(".")[0] in PACKAGES]):
        names |= names_of(sys.modules[module])
    return typing.get_type_hints(thing, names)


def parts(hint: Any) -> Iterator[type]:
    """The classes in an annotation, and the generic ones whose arguments it gives."""
    if inspect.isclass(origin := typing.get_origin(hint)):
        yield origin
    for argument in typing.get_args(hint):
        for part in argument if isinstance(argument, list) else (argument,):
            yield from parts(part)
    if isinstance(hint, type) and not isinstance(hint, types.GenericAlias):
        yield hint


def signatures(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield functions and methods that a user of an exported name may call, and classes with fields of theirs."""
    if inspect.isfunction(inspect.unwrap(thing)):
        yield name, inspect.unwrap(thing)
        return
    if not inspect.isclass(thing) or issubclass(thing, enum.Enum):
        return
    yield f"{name} (fields)", thing
    for attribute, member in inspect.getmembers(thing):
        function = member.fget if isinstance(member, property) else member
        public = not attribute.startswith("_") and attribute not in INTERNAL.get(name, ())
        if attribute == "__init__":
            public = name not in MADE_BY_THE_LIBRARY
        if public and inspect.isfunction(function) and function.__module__.split(".")[0] in PACKAGES:
            yield f"{name}.{attribute}", function


SIGNATURES = [signature for name, thing in exported().items() for signature in signatures(name, thing)]


@pytest.mark.parametrize(("name", "function"), SIGNATURES, ids=[name for name, _ in SIGNATURES])
def test_what_a_signature_names_is_exported(name: str, function: Callable[..., Any]) -> None:
    known = set(map(id, exported().values()))
    for parameter, hint in hints(function).items():
        if parameter.startswith("_"):
            continue
        for part in parts(hint):
            if part.__module__.split(".")[0] in PACKAGES:
                assert id(part) in known, f"{name}: {parameter} names {part.__module__}.{part.__name__}"


def test_the_walk_finds_signatures() -> None:
    names = {name for name, _ in SIGNATURES}
    assert {"connect", "Room.publish", "Room.kick", "Room.info", "Participant.role", "Track.audio"} <= names
    assert len(names) > 80


def test_every_public_name_can_be_imported() -> None:
    assert sorted(tcclient.__all__) == sorted(set(dir(tcclient)) & set(tcclient.__all__))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tcclient.nothing  # type: ignore[attr-defined]


def test_all_errors_are_drawn_in_the_tree_and_are_client_errors() -> None:
    """Exceptions of the library. What a source raises, and a missing module, are not its own."""
    drawn = importlib.import_module("tcclient.errors").__doc__
    for name, thing in exported().items():
        if inspect.isclass(thing) and issubclass(thing, BaseException):
            assert issubclass(thing, tcclient.ClientError)
            assert name in drawn
