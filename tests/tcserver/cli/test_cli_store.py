"""``tcserver backup``, ``export`` and ``import``."""

import json
from pathlib import Path

from tests.tcserver.cli.server_command import PASSWORD, Run, add, login_works


def test_backup_export_and_import(run: Run, data: Path, tmp_path: Path) -> None:
    add(run)
    run("room", "add", "a")
    backup = tmp_path / "backup.db"
    assert run("backup", str(backup)).status == 0
    assert run("backup", str(backup)).err == f"tcserver: {backup} exists\n"
    out = run("export", "-").out
    assert json.loads(out)["accounts"][0]["name"] == "kantor-1"
    file = tmp_path / "export.json"
    assert run("export", str(file)).status == 0
    assert file.read_text() == out
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("export", str(file)).err == f"tcserver: {file} exists\n"

    new = tmp_path / "new"
    new.mkdir()
    (data / "identity.key").rename(new / "identity.key")
    assert run("import", str(file), "--data", str(new)).out == "1 account and 1 room added\n"
    assert login_works(new, "kantor-1", PASSWORD)
    assert run("import", str(file), "--data", str(new)).status == 2

    another = tmp_path / "another"
    refused = run("import", str(file), "--data", str(another))
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(f"tcserver: there is no server key in {another}: copy identity.key of the server")
    assert not (another / "identity.key").exists()
    result = run("import", "-", "--data", str(another), "--other-server", stdin=out)
    assert result.out == "1 account and 1 room added\n"


def test_a_file_that_is_no_export_is_named(run: Run, tmp_path: Path) -> None:
    add(run)
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0")
    assert run("import", str(file)).err == f"tcserver: {file}: the document is no JSON\n"
    assert run("import", "-", stdin="{}").err == "tcserver: standard input: document: format is missing\n"
