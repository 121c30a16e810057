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
    assert run("import", str(file), "--data", str(new)).out == "1 accounts and 1 rooms added\n"
    assert login_works(new, "kantor-1", PASSWORD)
    assert run("import", str(file), "--data", str(new)).status == 2

    another = tmp_path / "another"
    assert "there is no server key" in run("import", str(file), "--data", str(another)).err
    result = run("import", "-", "--data", str(another), "--other-server", stdin=out)
    assert result.out == "1 accounts and 1 rooms added\n"
