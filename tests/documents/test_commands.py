"""The commands of the documents exist and work, and the help of each explains it."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcserver.cli import main as server_cli
from tests.documents.reader import DOCUMENTS, OPERATING, PARSERS, ROOT, blocks, commands, text_of

OTHER_FLAGS = {"--system", "--home-dir", "--now", "--standalone"}
"""Options of other programs that the documents name."""

RUNNING = {
    ("drain",),
    ("statistics",),
    ("log-level",),
    ("kick",),
    ("mute",),
    ("notice",),
    ("room", "show"),
    ("room", "close"),
    ("health",),
}
"""Commands that need a running server. They are tried on one in tests/integration/test_running_server.py."""
NOBODY = ("no server is running", "Connection refused")
"""What they say without one."""


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the commands of a parser, with those of its groups."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for command in group.choices.values():
            yield from leaves(command)


ALL_COMMANDS = {leaf.prog: leaf for parser in PARSERS.values() for leaf in leaves(parser)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_one(document: Path) -> None:
    for command in commands(document):
        PARSERS[command.program].parse_args(command.arguments)


def test_the_operators_commands_work_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    (table,) = blocks(OPERATING, "csv")
    Path("agencies.csv").write_text(table, encoding="utf-8")
    assert server_cli.main(["account", "add", "first", "--generate"]) == 0  # in place of a first start of the server
    for command in commands(OPERATING):
        if command.program != "tcserver":
            continue
        moved = [word.replace("/srv/", f"{tmp_path}/") for word in command.arguments]
        capsys.readouterr()
        status = server_cli.main(moved)
        if tuple(moved[:1]) in RUNNING or tuple(moved[:2]) in RUNNING:
            said = capsys.readouterr().err
            assert (status, any(text in said for text in NOBODY)) == (1, True), command
            continue
        assert status == 0, (command, capsys.readouterr().err)
        if command.output is not None:
            Path(command.output).write_text(capsys.readouterr().out, encoding="utf-8")
    header, first, *_ = Path("passwords.csv").read_text(encoding="utf-8").splitlines()
    assert header == "name,display name,user name,password,link,web link"
    assert first.startswith("kantor-1,Kantor Satu,kantor-1,")
    assert tomllib.loads(Path("tcserver.toml").read_text(encoding="utf-8"))["server"]["port"] == 7433
    assert Path("conference.backup").stat().st_mode & 0o777 == 0o600


def test_every_option_in_the_documents_is_one_of_ours_or_known() -> None:
    ours = {option for leaf in ALL_COMMANDS.values() for action in leaf._actions for option in action.option_strings}
    for document in DOCUMENTS:
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text_of(document))) <= ours | OTHER_FLAGS


def test_every_command_is_told_of_in_the_documents() -> None:
    told = "\n".join(map(text_of, DOCUMENTS))
    assert [name for name in ALL_COMMANDS if name not in told] == []


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_the_help_of_a_command_explains_everything(name: str) -> None:
    leaf = ALL_COMMANDS[name]
    assert leaf.description
    assert leaf.epilog
    for line in re.findall(rf"^  (?:{name.split()[0]}) .*", leaf.epilog, re.MULTILINE):
        words = shlex.split(line.partition(" <")[0].partition(" >")[0])
        PARSERS[words[0]].parse_args(words[1:])
    for action in leaf._actions:
        assert action.help, f"{name} {action.dest} has no help"
        assert set(action.option_strings) <= set(re.findall(r"--?[a-z0-9][a-z0-9-]*", leaf.format_help()))


def test_a_client_without_its_extra_says_what_to_install() -> None:
    code = "import sys; sys.modules['numpy'] = None; from tcclient.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "join", "tc://127.0.0.1/rapat", "--user", "dinkes"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "tcclient: numpy is missing; the client is installed with: pip install '.[client]'\n"
