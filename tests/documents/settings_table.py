"""The tables of settings in OPERATING.md: ``python -m tests.documents.settings_table`` brings them up to date."""

from __future__ import annotations

from pathlib import Path

from tcproto.document import replaced
from tcserver.cli.record_options import option, settable
from tcserver.config.configuration import dump, settings
from tcserver.config.sections import Configuration
from tcserver.records import Account, RoomRecord
from tcserver.records.kinds import Flag, Name

DOCUMENT = Path(__file__).parents[2] / "tcserver" / "OPERATING.md"


def tables() -> dict[str, str]:
    """Return all tables by name."""
    return {
        "settings": server_settings(),
        "options of accounts": options_of(Account),
        "options of rooms": options_of(RoomRecord),
    }


def server_settings() -> str:
    """Return every setting of the server with its default, its allowed values, and whether a reload applies it."""
    lines = iter(dump(Configuration()).splitlines())
    rows = ["| setting | default | what | reload |", "|---|---|---|---|"]
    for known in settings():
        while not (comment := next(lines)).startswith("# "):
            pass
        value = next(lines).partition(" = ")[2]
        what = comment.removeprefix("# ")
        rows.append(f"| `{known.key}` | `{value}` | {_cell(what)} | {'yes' if known.live else 'no'} |")
    return "\n".join(rows)


def options_of(record: type) -> str:
    """Return every option that sets a field of a record."""
    rows = ["| option | what |", "|---|---|"]
    for column in settable(record):
        known, kind = column.field.known, column.kind
        if isinstance(kind, Flag):
            rows.append(f"| `{option(column)}` | {_cell(known.help)} |")
        else:
            allowed = "" if isinstance(kind, Name) else f" ({kind.allowed})"
            metavar = "WORD" if kind.metavar.startswith("{") else kind.metavar
            rows.append(f"| `{option(column)} {metavar}` | {_cell(known.help + allowed)} |")
        if known.opposite:
            rows.append(f"| `{known.opposite.option}` | {_cell(known.opposite.help)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the tables into the document."""
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), tables()), encoding="utf-8")


if __name__ == "__main__":
    main()
