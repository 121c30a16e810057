"""The layers of the page's code: which folder may import from which, and what the pure ones may touch."""

import re
from pathlib import Path

import pytest

from tests.tcclient.web.conftest import WEB

SOURCES = WEB / "src"
LAYERS = {
    "protocol": {"protocol"},
    "core": {"core", "protocol"},
    "media": {"media", "core", "protocol"},
    "engine": {"engine", "media", "core", "protocol"},
}
"""The page knows ``engine/meeting.ts``, and has its own rules."""
PACKAGES = {"protocol/sodium.ts": {"libsodium-wrappers-sumo"}}
"""Which packages a file of a pure folder may import."""
PURE = ("protocol", "core")
PURE_FILES = (
    *(f"engine/{name}.ts" for name in ("adaptation", "facts", "participant", "rejoin", "subscription", "uplink")),
    *(f"media/{name}.ts" for name in ("assembly", "conceal", "delay", "jitter", "lipsync", "mixer", "references")),
    *(f"media/{name}.ts" for name in ("picture-size", "speaker", "speech", "stretch")),
)
"""Pure files of folders that also hold a shell."""
IMPURE = re.compile(
    r"\b(performance|Date|Math\.random|crypto|setTimeout|setInterval|queueMicrotask|WebSocket|fetch|indexedDB|"
    r"postMessage|console)\b(?=[.(])"
)
IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom "([^"]+)";""", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def files(folder: str) -> list[Path]:
    return sorted((SOURCES / folder).rglob("*.ts"))


@pytest.mark.parametrize("folder", LAYERS)
def test_a_folder_imports_from_the_layers_below_it(folder: str) -> None:
    assert files(folder)
    for path in files(folder):
        for target in IMPORT.findall(path.read_text(encoding="utf-8")):
            if target.startswith("."):
                found = (path.parent / target).resolve().relative_to(SOURCES)
                assert found.parts[0] in LAYERS[folder], f"{path}: {target}"
            elif folder in PURE:
                assert target in PACKAGES.get(path.relative_to(SOURCES).as_posix(), set()), f"{path}: {target}"


@pytest.mark.parametrize("part", [*PURE, *PURE_FILES])
def test_what_is_pure_touches_neither_clock_nor_network_nor_screen(part: str) -> None:
    for path in [SOURCES / part] if part in PURE_FILES else files(part):
        code = COMMENT.sub("", path.read_text(encoding="utf-8"))
        assert not IMPURE.search(code), f"{path}: {IMPURE.search(code)}"


@pytest.mark.parametrize("folder", PURE)
def test_a_pure_folder_has_no_circle_of_imports(folder: str) -> None:
    imports = {
        path.resolve(): {
            (path.parent / target.replace(".js", ".ts")).resolve()
            for target in IMPORT.findall(path.read_text(encoding="utf-8"))
            if target.startswith(".")
        }
        for path in files(folder)
    }
    while free := [path for path, targets in imports.items() if not targets & imports.keys()]:
        for path in free:
            del imports[path]
    assert not imports, "these import each other in a circle"
