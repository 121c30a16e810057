"""Which module may import what. Everything is pure but the shells, and the two ends know only the wire in common."""

from __future__ import annotations

import ast
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tcproto", "tcserver", "tcclient")

# Clocks, chance, threads, processes and the network: what a test could not hold still.
IMPURE = {
    *("asyncio", "uvloop", "concurrent", "threading", "multiprocessing", "subprocess", "signal"),
    *("socket", "socketserver", "ssl", "select", "selectors", "http", "urllib.request", "ctypes"),
    *("time", "datetime", "random", "secrets", "uuid"),
}
IMPURE_FOR_TCPROTO = IMPURE | {"os", "tempfile", "queue", "sqlite3"}
THIRD_PARTY_OF_TCPROTO = {"nacl", "msgpack"}
STRANGERS = {
    "tcproto": {"tcserver", "tcclient"},
    "tcserver": {"tcclient"},
    "tcclient": {"tcserver"},
}

# The shells: path patterns (fnmatch; * also matches /) and what each may import of IMPURE. A new shell gets a line of
# its own, with no more than it needs; a line that no longer allows anything real makes a test fail. tcproto has none.
SHELLS: dict[str, set[str]] = {
    "tcserver/daemon/addresses.py": {"socket"},
    "tcserver/monitoring/background_writer.py": {"select", "threading"},
    "tcserver/daemon/persistence.py": {"asyncio"},
    "tcserver/cli/*.py": {"datetime", "time"},
    "tcserver/daemon/control_server.py": {"asyncio", "time"},
    "tcserver/daemon/daemon.py": {"asyncio", "time"},
    "tcserver/daemon/local_socket.py": {"asyncio", "socket"},
    "tcserver/media/udp/binding.py": {"socket"},
    "tcserver/media/udp/coalescing.py": {"asyncio", "time"},
    "tcserver/media/udp/socket_group.py": {"socket"},
    "tcserver/exposition/http.py": {"asyncio", "http"},
    "tcserver/media/host.py": {"asyncio"},
    "tcserver/media/udp/native.py": {"ctypes", "socket"},
    "tcserver/media/udp/offload.py": {"socket"},
    "tcserver/media/udp/reader.py": {"ctypes", "socket"},
    "tcserver/media/udp/sendmmsg.py": {"ctypes", "socket"},
    "tcserver/media/udp/sendto.py": {"socket"},
    "tcserver/media/udp/sockets.py": {"asyncio", "socket", "time"},
    "tcserver/media/udp/steering.py": {"ctypes", "socket"},
    "tcserver/media/workers/pool.py": {"asyncio", "socket", "time"},
    "tcserver/media/workers/worker.py": {"asyncio", "signal", "socket", "time", "uvloop"},
    "tcserver/monitoring/process_meter.py": {"asyncio", "time"},
    "tcserver/daemon/listening.py": {"asyncio", "socket"},
    "tcserver/daemon/process.py": {"asyncio", "signal", "uvloop"},
    "tcserver/storage/store_thread.py": {"asyncio", "concurrent"},
    "tcclient/cli/attend.py": {"asyncio", "signal"},
    "tcclient/audio/libopus.py": {"ctypes"},
    "tcclient/audio/opus.py": {"ctypes"},
    "tcclient/cli/output.py": {"time"},
    "tcclient/cli/join.py": {"asyncio", "threading"},
    "tcclient/connector.py": {"asyncio", "time"},
    "tcclient/transport/connection.py": {"asyncio", "concurrent", "time"},
    "tcclient/trust/device_watch.py": {"asyncio", "concurrent"},
    "tcclient/trust/known_devices.py": {"datetime"},
    "tcclient/trust/trust_file.py": {"time"},
    "tcclient/demo/conductor.py": {"asyncio"},
    "tcclient/demo/participant.py": {"asyncio", "time", "uvloop"},
    "tcclient/demo/processes.py": {"asyncio"},
    "tcclient/capture/pipe.py": {"select"},
    "tcclient/playout/listener.py": {"asyncio", "concurrent", "time"},
    "tcclient/transport/loop.py": {"asyncio", "concurrent", "signal", "threading", "uvloop"},
    "tcclient/transport/probe.py": {"asyncio", "time"},
    "tcclient/cli/terminal/outlet.py": {"threading"},
    "tcclient/publication.py": {"asyncio", "concurrent", "time"},
    "tcclient/capture/publisher.py": {"asyncio", "concurrent", "time"},
    "tcclient/recording/recording.py": {"threading"},
    "tcclient/transport/replies.py": {"asyncio"},
    "tcclient/room.py": {"asyncio", "concurrent", "time"},
    "tcclient/cli/sending.py": {"asyncio"},
    "tcclient/playout/stream_queue.py": {"asyncio"},
    "tcclient/cli/terminal/terminal.py": {"asyncio", "threading"},
    "tcclient/track.py": {"asyncio", "concurrent"},
    "tcclient/recording/track_recorder.py": {"asyncio", "concurrent", "time"},
    "tcclient/cli/terminal/typed_lines.py": {"asyncio"},
    "tcclient/transport/udp.py": {"asyncio", "socket"},
    "tcclient/verbs.py": {"asyncio", "time"},
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Names of all modules that a file imports, wherever in it: the top-level ones, and those in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in (alias.name, alias.name.partition(".")[0])}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: a relative import"
            module = node.module or ""
            found |= {module, module.partition(".")[0], *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("__import__", "import_module") and isinstance(node.args[0], ast.Constant):
                found |= {node.args[0].value, node.args[0].value.partition(".")[0]}
    return found


def allowed(module: str) -> set[str]:
    return set().union(*(words for pattern, words in SHELLS.items() if fnmatchcase(module, pattern)))


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_imports_what_its_layer_may(path: Path) -> None:
    module, found = name(path), imports(path)
    package = path.relative_to(ROOT).parts[0]
    assert not found & STRANGERS[package]
    assert not (found & IMPURE) - allowed(module), "make it pure, or name it in SHELLS"
    if package == "tcproto":
        assert not found & IMPURE_FOR_TCPROTO
        assert {word for word in found if "." not in word} <= sys.stdlib_module_names | THIRD_PARTY_OF_TCPROTO | {
            "tcproto"
        }


def test_the_list_of_shells_is_not_stale() -> None:
    found = {name(path): imports(path) for path in modules()}
    for pattern, words in SHELLS.items():
        assert not pattern.startswith("tcproto")
        matching = [names for module, names in found.items() if fnmatchcase(module, pattern)]
        assert matching, f"{pattern}: no such module"
        unused = words - set().union(*matching)
        assert not unused, f"{pattern}: nothing imports {unused}"
        assert words <= IMPURE


def test_the_packages_are_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in modules()} == set(PACKAGES)
    assert {"nacl", "tcproto"} <= imports(ROOT / "tcproto" / "noise.py")
