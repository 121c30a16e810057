"""The table of settings in OPERATING.md: ``python -m tests.documents.settings_table`` brings it up to date."""

from __future__ import annotations

from pathlib import Path

from tcproto.document import replaced
from tcserver.config.configuration import Configuration, dump, settings

DOCUMENT = Path(__file__).parents[2] / "tcserver" / "OPERATING.md"
NAME = "settings"


def table() -> str:
    """Every setting with its default, what it may be, and whether a reload applies it."""
    lines = iter(dump(Configuration()).splitlines())
    rows = ["| setting | default | what | reload |", "|---|---|---|---|"]
    for key, known, _ in settings():
        while not (comment := next(lines)).startswith("# "):
            pass
        value = next(lines).partition(" = ")[2]
        what = comment.removeprefix("# ").replace("|", "\\|")
        rows.append(f"| `{key}` | `{value}` | {what} | {'yes' if known.live else 'no'} |")
    return "\n".join(rows)


def main() -> None:
    """Write the table into the document."""
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), {NAME: table()}), encoding="utf-8")


if __name__ == "__main__":
    main()
