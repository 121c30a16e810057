"""Which folder may import what. A folder is a layer: imports go down only, and only shells touch the outside world."""

from __future__ import annotations

import ast
import sys
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tcproto", "tcserver", "tcclient", "benchmarks", "tests")
PRODUCT = ("tcproto", "tcserver", "tcclient")

# Clocks, chance, threads, processes and the network: a test could not control them.
IMPURE = {
    *("asyncio", "uvloop", "concurrent", "threading", "multiprocessing", "subprocess", "signal"),
    *("socket", "socketserver", "ssl", "select", "selectors", "http", "urllib.request", "ctypes"),
    *("time", "datetime", "random", "secrets", "uuid"),
}
IMPURE_FOR_TCPROTO = IMPURE | {"os", "tempfile", "queue", "sqlite3"}
THIRD_PARTY_OF_TCPROTO = {"nacl", "msgpack"}


class Layer(NamedTuple):
    """Modules that may be imported in a folder, and in the folders in it that have no line of their own."""

    ours: AbstractSet[str]
    """Folders and files of this project, in addition to the folder itself."""
    impure: AbstractSet[str] = frozenset()
    """Modules of ``IMPURE``; none in a pure folder."""


LAYERS = {
    "tcproto": Layer(set()),
    # The server. The pure parts are the conference and the media plane; the daemon is the shell around them.
    "tcserver": Layer({"tcproto", "tcserver/cli", "tcserver/storage"}),
    "tcserver/records": Layer({"tcproto"}),
    "tcserver/config": Layer({"tcproto", "tcserver/records"}),
    "tcserver/storage": Layer(
        {"tcproto", "tcserver/config", "tcserver/identity.py", "tcserver/records"}, {"asyncio", "concurrent", "time"}
    ),
    "tcserver/monitoring": Layer({"tcproto"}, {"asyncio", "ctypes", "select", "threading", "time"}),
    "tcserver/conference": Layer(
        {
            *("tcproto", "tcserver/config/sections.py", "tcserver/identity.py", "tcserver/media/interface.py"),
            "tcserver/records",
        }
    ),
    "tcserver/media": Layer({"tcproto", "tcserver/config", "tcserver/media", "tcserver/monitoring"}, {"asyncio"}),
    # One direction: a folder of the media plane imports some of those above it here, and none below.
    "tcserver/media/speakers": Layer({"tcproto", "tcserver/media/interface.py"}),
    "tcserver/media/forwarding": Layer({"tcproto", "tcserver/media/interface.py", "tcserver/media/speakers"}),
    "tcserver/media/relay": Layer(
        {"tcproto", "tcserver/media/forwarding", "tcserver/media/interface.py", "tcserver/media/speakers"}
    ),
    "tcserver/media/lanes": Layer({"tcproto", "tcserver/media/forwarding", "tcserver/media/interface.py"}),
    "tcserver/media/plane": Layer(
        {
            *("tcproto", "tcserver/media/forwarding", "tcserver/media/interface.py", "tcserver/media/lanes"),
            *("tcserver/media/relay", "tcserver/media/speakers", "tcserver/monitoring"),
        }
    ),
    "tcserver/media/bpf": Layer(set(), {"ctypes", "socket"}),
    "tcserver/media/udp": Layer(
        {"tcproto", "tcserver/media", "tcserver/monitoring"}, {"asyncio", "ctypes", "socket", "time"}
    ),
    "tcserver/media/streams": Layer(
        {"tcproto", "tcserver/media", "tcserver/monitoring"}, {"asyncio", "socket", "time"}
    ),
    "tcserver/media/workers": Layer(
        {"tcserver/media", "tcserver/monitoring"}, {"asyncio", "signal", "socket", "time", "uvloop"}
    ),
    "tcserver/web": Layer({"tcproto", "tcserver/conference/login/half_open.py"}, {"asyncio", "http", "socket", "ssl"}),
    "tcserver/web/http": Layer(set(), {"http"}),
    "tcserver/web/certificates": Layer(
        {"tcserver/config", "tcserver/storage/private_files.py", "tcserver/web/tls.py"}, {"datetime", "ssl"}
    ),
    "tcserver/exposition": Layer(
        {
            *("tcserver/conference", "tcserver/config", "tcserver/media", "tcserver/monitoring"),
            *("tcserver/version.py", "tcserver/web"),
        },
        {"asyncio"},
    ),
    "tcserver/daemon": Layer(
        {
            *("tcproto", "tcserver/conference", "tcserver/config", "tcserver/exposition", "tcserver/media"),
            *("tcserver/monitoring", "tcserver/records", "tcserver/storage", "tcserver/version.py", "tcserver/web"),
        },
        {"asyncio", "signal", "socket", "time", "uvloop"},
    ),
    "tcserver/cli": Layer(
        {
            *("tcproto", "tcserver/config", "tcserver/daemon", "tcserver/identity.py", "tcserver/media/opening.py"),
            *("tcserver/records", "tcserver/storage", "tcserver/version.py"),
        },
        {"asyncio", "datetime", "time"},
    ),
    # The client. The pure part is the core.
    "tcclient": Layer({"tcproto", "tcclient"}, {"asyncio", "concurrent", "time"}),
    "tcclient/core": Layer({"tcproto"}),
    "tcclient/core/path": Layer({"tcproto", "tcclient/core/drops.py", "tcclient/core/timers.py"}),
    "tcclient/audio": Layer({"tcproto", "tcclient/core/media/packet.py", "tcclient/errors.py"}, {"ctypes"}),
    "tcclient/video": Layer({"tcproto", "tcclient/core/media/packet.py", "tcclient/errors.py"}),
    "tcclient/web": Layer(set(), {"subprocess"}),
    "tcclient/transport": Layer(
        {"tcproto", "tcclient/core", "tcclient/errors.py"},
        {"asyncio", "concurrent", "signal", "socket", "ssl", "threading", "time", "uvloop"},
    ),
    "tcclient/trust": Layer(
        {
            *("tcproto", "tcclient/core", "tcclient/errors.py", "tcclient/events.py", "tcclient/participant.py"),
            "tcclient/transport",
        },
        {"asyncio", "concurrent", "datetime", "time"},
    ),
    "tcclient/capture": Layer(
        {
            *("tcproto", "tcclient/audio", "tcclient/core/rate/allocation.py", "tcclient/errors.py"),
            *("tcclient/recording", "tcclient/sources.py", "tcclient/video"),
        },
        {"asyncio", "concurrent", "select", "time"},
    ),
    "tcclient/playout": Layer(
        {
            *("tcproto", "tcclient/audio", "tcclient/capture", "tcclient/core", "tcclient/errors.py"),
            "tcclient/participant.py",
            *("tcclient/recording", "tcclient/track.py", "tcclient/transport"),
        },
        {"asyncio", "concurrent", "time"},
    ),
    "tcclient/recording": Layer(
        {"tcproto", "tcclient/audio", "tcclient/core", "tcclient/errors.py", "tcclient/track.py", "tcclient/video"},
        {"asyncio", "concurrent", "threading", "time"},
    ),
    "tcclient/demo": Layer({"tcproto", "tcclient"}, {"asyncio", "time", "uvloop"}),
    "tcclient/cli": Layer({"tcproto", "tcclient"}, {"asyncio", "signal", "threading", "time"}),
    "tcclient/cli/terminal": Layer({"tcproto"}, {"asyncio", "threading"}),
}

FLAT = {"tcserver": 5, "tcclient": 12, "tcserver/media": 3}
"""How many modules a folder may have itself. If there are more, they need a folder with a name."""

LONGEST = 450
"""Lines that a file may have. If there are more, it holds more than one noun."""
LONGER = {
    "tests/tcproto/second_reader.py": 600,  # the protocol, written down a second time: it reads nothing of ours
}


@cache
def modules() -> dict[str, Path]:
    """Return the files of all packages, by the name in imports."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def product() -> list[Path]:
    return [path for path in modules().values() if name(path).startswith(PRODUCT)]


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the full names of all imports of a file, those for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: a relative import"
            module = node.module or ""
            found |= {full if (full := f"{module}.{alias.name}") in modules() else module for alias in node.names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("__import__", "import_module") and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return frozenset(found)


def of_the_world(path: Path) -> set[str]:
    """Return the imports of a file that are not of this project: the full name, and the package."""
    foreign = {module for module in imports(path) if module not in modules()}
    return foreign | {module.partition(".")[0] for module in foreign}


def inside(path: Path, place: str) -> bool:
    return name(path) == place or name(path).startswith(f"{place}/")


def folder(path: Path) -> str:
    """Return the line of ``LAYERS`` that holds for a file."""
    return max((place for place in LAYERS if inside(path, place)), key=len)


@pytest.mark.parametrize("path", product(), ids=name)
def test_a_module_imports_what_its_layer_may(path: Path) -> None:
    place = folder(path)
    layer = LAYERS[place]
    assert not (of_the_world(path) & IMPURE) - layer.impure, f"make it pure, or allow it for {place} in LAYERS"
    for module in imports(path) & modules().keys():
        target = modules()[module]
        assert any(inside(target, allowed) for allowed in (place, *layer.ours)), f"{place} may not import {module}"
    if place == "tcproto":
        assert not of_the_world(path) & IMPURE_FOR_TCPROTO
        packages = {module.partition(".")[0] for module in of_the_world(path)}
        assert packages <= sys.stdlib_module_names | THIRD_PARTY_OF_TCPROTO


@pytest.mark.parametrize("place", LAYERS)
def test_a_layer_allows_no_more_than_it_needs(place: str) -> None:
    members = [path for path in product() if folder(path) == place]
    assert members, "no such folder"
    layer = LAYERS[place]
    assert layer.impure <= set().union(*(of_the_world(path) for path in members)) & IMPURE
    targets = [modules()[module] for path in members for module in imports(path) & modules().keys()]
    for allowed in layer.ours:
        assert any(inside(target, allowed) and folder(target) != place for target in targets), allowed


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the sets of nodes that reach each other (Tarjan 1972), without sets of one node."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        open_.append(node)
        for target in graph[node]:
            if target not in order:
                visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in open_:
                lowest[node] = min(lowest[node], order[target])
        if lowest[node] == order[node]:
            start = open_.index(node)
            if len(open_) - start > 1:
                found.append(sorted(open_[start:]))
            del open_[start:]

    for node in graph:
        if node not in order:
            visit(node)
    return found


def test_no_two_files_import_each_other() -> None:
    graph = {module: set(imports(path) & modules().keys()) - {module} for module, path in modules().items()}
    assert circles(graph) == []


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": set()}
    assert sorted(circles(graph)) == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize(("place", "most"), FLAT.items())
def test_a_folder_is_no_heap(place: str, most: int) -> None:
    assert len(list((ROOT / place).glob("*.py"))) <= most


def test_no_file_is_too_long() -> None:
    page = [path for folder in ("tcclient/web/src", "tests/tcclient/web") for path in (ROOT / folder).rglob("*.ts")]
    lengths = {name(path): path.read_bytes().count(b"\n") for path in (*modules().values(), *page)}
    assert {"tests/test_layering.py", "tcclient/web/src/core/session.ts", *LONGER} <= lengths.keys()
    assert {file: lines for file, lines in lengths.items() if lines > LONGER.get(file, LONGEST)} == {}
    assert [file for file in LONGER if lengths[file] <= LONGEST] == [], "it needs no exception any more"


def test_the_packages_are_found() -> None:
    assert {name(path).partition("/")[0] for path in modules().values()} == set(PACKAGES)
    assert {"nacl"} <= of_the_world(ROOT / "tcproto" / "noise.py")
