"""What the tests of the page need: Node.js, and the npm packages of the lock file."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "tcclient" / "web"


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the npm packages. They are installed once, whichever process of the tests comes first."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed here")
    modules = WEB / "node_modules"
    lock = WEB / "package-lock.json"
    marker = modules / ".package-lock.json"  # npm writes it last
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=WEB, capture_output=True, encoding="utf-8")
        if done.returncode:
            pytest.skip(f"the npm packages of the page cannot be installed: {done.stderr.splitlines()[-1:]}")
        marker.touch()
    return modules
