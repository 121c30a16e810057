"""The documents, with the programs and commands in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tcclient.cli import main as client_cli
from tcserver.cli import main as server_cli

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = ROOT / "tcclient" / "GUIDE.md"
OPERATING = ROOT / "tcserver" / "OPERATING.md"
PROTOCOL = ROOT / "tcproto" / "PROTOCOL.md"
DOCUMENTS = (README, GUIDE, OPERATING)
PARSERS = {"tcserver": server_cli.command_parser(), "tcclient": client_cli.command_parser()}


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(document), re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    program: str
    arguments: list[str]
    output: str | None
    """Return the file that the output goes to."""


def commands(document: Path) -> list[Command]:
    """Return our commands in the shell blocks of a document, in order."""
    found = []
    for line in "".join(blocks(document, "sh")).splitlines():
        for part in line.split(" && "):
            words = [word for word in shlex.split(part) if not re.match("[A-Z_]+=", word)]
            program = Path(words[0]).name if words else ""
            if program in PARSERS:
                output = words[words.index(">") + 1] if ">" in words else None
                found.append(Command(program, words[1 : words.index(">") if output else None], output))
    return found
