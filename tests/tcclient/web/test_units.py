"""The tests of the page's own code, which run under Node.js: each ``*.test.ts`` is one test here."""

import subprocess
from pathlib import Path

import pytest

from tests.tcclient.web.conftest import WEB

TESTS = sorted(path.name.removesuffix(".test.ts") for path in Path(__file__).parent.glob("*.test.ts"))


@pytest.fixture(scope="session")
def bundles(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests as Node.js takes them."""
    out = tmp_path_factory.mktemp("page-tests")
    done = subprocess.run(["node", "build.mjs", "--tests", out], cwd=WEB, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize("name", TESTS)
def test_units(name: str, bundles: Path) -> None:
    command = ["node", "--test", "--test-reporter=spec", bundles / f"{name}.test.mjs"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ℹ pass 0" not in done.stdout, "the file has no tests"  # noqa: RUF001
