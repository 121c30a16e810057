"""``tcserver backup``, ``restore``, ``export`` and ``import``."""

import json
from pathlib import Path

from tests.support.server_command import PASSWORD, Run, add, login_works


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


def test_a_backup_is_restored_with_passwords_and_settings(run: Run, data: Path, tmp_path: Path) -> None:
    add(run)
    (tmp_path / "config" / "tcserver").mkdir(parents=True)
    settings = tmp_path / "config" / "tcserver" / "tcserver.toml"
    settings.write_text("[server]\nport = 7000\n")
    backup = tmp_path / "conference.backup"
    assert run("backup", str(backup)).status == 0
    fingerprint = run("fingerprint").out
    new = tmp_path / "new"
    result = run("restore", str(backup), "--data", str(new))
    assert result.out == f"1 account and 0 rooms restored to {new}\nfingerprint  {fingerprint}"
    assert login_works(new, "kantor-1", PASSWORD)
    assert "port = 7000\n" in run("config", "--data", str(new)).out
    again = run("restore", str(backup), "--data", str(new))
    assert (again.status, again.err) == (
        2,
        f"tcserver: {new} is not empty; a backup is restored into an empty or a new folder (--data DIR)\n",
    )
    assert run("restore", str(backup)).status == 2
    (data / "moved").mkdir()
    data.rename(tmp_path / "old")
    refused = run("restore", str(backup))
    assert (refused.status, refused.err.split(" exists")[0]) == (2, f"tcserver: {settings}")
    settings.unlink()
    assert run("restore", str(backup)).status == 0
    assert settings.read_text() == "[server]\nport = 7000\n"
    assert login_works(data, "kantor-1", PASSWORD)
    for name in ("none", "old"):
        result = run("restore", str(tmp_path / name), "--data", str(tmp_path / "x"))
        assert result.status == 1
        assert len(result.err.splitlines()) == 1


def test_a_server_that_lost_its_key_waits_for_the_operators_word(run: Run, data: Path) -> None:
    add(run)
    lost = run("fingerprint").out
    assert run("new-identity").err == f"tcserver: {data / 'identity.key'} is there: nothing is lost\n"
    (data / "identity.key").unlink()
    for command in (["run"], ["fingerprint"], ["account", "add", "b", "--generate"], ["room", "add", "a"]):
        result = run(*command)
        assert (result.status, result.out) == (2, "")
        assert f"{data} has a database but no identity.key" in result.err
        assert not (data / "identity.key").exists()
    made = run("new-identity").out
    assert made == run("fingerprint").out != lost
    assert not login_works(data, "kantor-1", PASSWORD)
    _, row = run("account", "reset", "kantor-1", "--generate").out.splitlines()
    assert login_works(data, *row.split(","))


def test_a_file_that_is_no_export_is_named(run: Run, tmp_path: Path) -> None:
    add(run)
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0")
    assert run("import", str(file)).err == f"tcserver: {file}: the document is no JSON\n"
    assert run("import", "-", stdin="{}").err == "tcserver: standard input: document: format is missing\n"
