"""The command line of the server, run in this process, with a data directory of its own."""

import io
import sys
from pathlib import Path

import pytest

from tcserver.cli.main import main
from tests.support.server_command import Result, Run


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "share" / "tcserver"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_command(
        *arguments: str, stdin: str | bytes = "", stdin_class: type[io.TextIOWrapper] = io.TextIOWrapper
    ) -> Result:
        monkeypatch.setattr(sys, "stdin", stdin_class(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)))
        status = main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(status, captured.out, captured.err)

    return run_command
