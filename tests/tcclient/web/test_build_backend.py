"""The wheel: with Node.js of the machine, with that of PyPI, and where the npm packages cannot be had."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("tcproto", "tcserver", "tcclient", ".github/LICENSE", "README.md", "pyproject.toml")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a clean checkout has, as far as the wheel needs it."""
    place = tmp_path / "checkout"
    made = {str(ROOT / "tcclient" / "web"): "node_modules", str(ROOT / "tcserver" / "web"): "page"}
    for name in PACKAGES:
        source, target = ROOT / name, place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, ignore=lambda folder, names: {made.get(folder, ""), "__pycache__"} & {*names}
            )
        else:
            shutil.copy(source, target)
    return place


def wheel(checkout: Path, **environment: str) -> tuple[list[str], str]:
    """Build the wheel; return the names of the files of its page, and what was printed."""
    out = checkout.parent / "out"
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--wheel-dir", str(out), str(checkout)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        page = [name for name in archive.namelist() if name.startswith("tcserver/web/page/")]
    return page, done.stdout + done.stderr


def without_node(place: Path) -> str:
    """A path with what a build may call, and no Node.js."""
    place.mkdir()
    for name in ("sh", "env", "uname"):
        found = shutil.which(name)
        assert found
        (place / name).symlink_to(found)
    return str(place)


def test_the_page_needs_no_node_on_the_machine(checkout: Path, tmp_path: Path) -> None:
    page, printed = wheel(checkout, PATH=without_node(tmp_path / "path"))
    assert "tcserver/web/page/index.html" in page, printed
    assert not any("node_modules" in name or name.endswith(".ts") for name in page)


def test_a_wheel_without_the_page_is_built_where_npm_packages_cannot_be_had(checkout: Path) -> None:
    page, printed = wheel(checkout, npm_config_registry="http://127.0.0.1:9/", npm_config_fetch_retries="0")
    assert page == []
    (line,) = [line for line in printed.splitlines() if "the web page is not built" in line]
    assert "its npm packages do not install" in line
    assert "the server will run without it" in line
