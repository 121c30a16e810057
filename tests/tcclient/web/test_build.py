"""The page as it is built: small, with names that may be kept for ever, and fit for its content security policy."""

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from tests.tcclient.web.conftest import WEB

MOST_BYTES = 300_000
"""The most that a browser loads before it can join, over the wire."""
HASHED = re.compile(r"[a-z]+-[0-9a-f]{10}\.(js|css|svg)")


@pytest.fixture(scope="module")
def built(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built page."""
    out = tmp_path_factory.mktemp("built") / "page"
    subprocess.run(["node", "build.mjs", str(out)], cwd=WEB, check=True, capture_output=True)
    return out


def files(built: Path) -> list[Path]:
    """The files of the page, without the compressed copies."""
    return [path for path in built.iterdir() if path.suffix != ".gz"]


def test_all_of_it_is_light(built: Path) -> None:
    assert sum(path.stat().st_size for path in built.glob("*.gz")) <= MOST_BYTES


def test_each_file_has_a_compressed_copy_and_a_name_for_ever(built: Path) -> None:
    for path in files(built):
        assert gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes()) == path.read_bytes()
        assert path.name == "index.html" or HASHED.fullmatch(path.name), path.name


def test_the_document_loads_what_is_there_and_holds_no_script_or_style(built: Path) -> None:
    html = (built / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'(?:src|href)="/([^"]*)"', html)
    assert len(loaded) == 3
    assert {built / name for name in loaded} < set(files(built))
    assert re.search(r"<style|\sstyle=|<script[^>]*>\s*[^<\s]|\son\w+=", html) is None


def test_the_scripts_that_others_start_are_there(built: Path) -> None:
    (main,) = built.glob("main-*.js")
    named = re.findall(r'"/((?:worker|worklet)-[0-9a-f]{10}\.js)"', main.read_text(encoding="utf-8"))
    assert len(set(named)) == 2
    assert {built / name for name in named} < set(files(built))


def test_two_builds_are_the_same(built: Path, tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path / "again")], cwd=WEB, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in files(tmp_path / "again")} == {
        path.name: path.read_bytes() for path in files(built)
    }
