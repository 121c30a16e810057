"""The links of the documents lead somewhere, and their statements about the code and its figures are true."""

from __future__ import annotations

import inspect
import re
import tomllib

from tcclient import errors as client_errors
from tcclient import events as client_events
from tcproto.datagram import RELAY_TIME_SIZE, Item, ItemType, Kind, pack_header, pack_items, seal
from tcproto.document import replaced
from tcproto.errors import ErrorCode
from tcproto.messages import row_of
from tcproto.packet import AUDIO_PADDING_STEP, AudioHeader, seal_packet
from tcserver.conference.dispatch import COMMANDS
from tests.documents import settings_table
from tests.documents.reader import DOCUMENTS, GUIDE, OPERATING, PROTOCOL, README, ROOT, text_of

MOST_OF_A_PICTURE = 250_000
"""Bytes: everybody who clones the repository gets it, in each version."""


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)(.*?)\)", text_of(document)):
            path, _, anchor = target.partition("#")
            leads_to = document.parent / path if path else document
            assert leads_to.exists(), f"{document.name}: {target}"
            if anchor:
                headings = re.findall("^#+ (.*)$", text_of(leads_to), re.MULTILINE)
                assert anchor in {re.sub("[^\\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_leads_to_the_other_documents() -> None:
    targets = set(re.findall(r"\]\((.*?)\)", text_of(README)))
    assert {document.relative_to(ROOT).as_posix() for document in (GUIDE, OPERATING, PROTOCOL)} <= targets


def test_the_picture_of_the_readme_is_small_and_can_be_made_again() -> None:
    made_by = re.compile(r"<!-- Made by: PAGE_SCREENSHOTS=DIR pytest (\S+), which writes (\w+)\.png -->")
    ((command, file),) = made_by.findall(text_of(README))
    assert f'visitor.keep("{file}")' in text_of(ROOT / command)
    (picture,) = re.findall(r"\]\((\S+\.png)\)", text_of(README))
    assert 0 < (ROOT / picture).stat().st_size <= MOST_OF_A_PICTURE


def test_the_tables_of_settings_are_current() -> None:
    text = text_of(OPERATING)
    assert replaced(text, settings_table.tables()) == text, "run python -m tests.documents.settings_table"


def test_events_of_the_log_are_told_to_operators() -> None:
    """Events of rooms and participants, and news of the daemon. Errors of the program explain themselves."""
    calls = re.compile(r"(?:outbox\.log|_log\.info|_log\.warning)\(\s*\"([^\"%]+)\"")
    names = {name for file in (ROOT / "tcserver").rglob("*.py") for name in calls.findall(text_of(file))}
    assert {"joined", "camera_limit", "session_ended"} <= names
    assert {name for name in names if f"`{name}`" not in text_of(OPERATING)} == set()


def test_the_licence_is_in_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (file,) = project["license-files"]
    text = text_of(ROOT / file)
    assert "Apache License\n                           Version 2.0" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_extras_in_the_readme_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (table,) = re.findall(r"\| extra \| for \|\n\|.*?\n((?:\|.*\n)+)", text_of(README))
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(project["optional-dependencies"])
    assert project["license"] in text_of(README)


def test_the_guide_tells_all_errors_and_events() -> None:
    text = text_of(GUIDE)
    for module, base in ((client_errors, client_errors.ClientError), (client_events, object)):
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == module.__name__ and issubclass(cls, base):
                assert f"`{name}`" in text or f"tcclient.{name}" in text, name
    table = text[text.index("| error | from |") :]
    codes = {
        word
        for row in re.findall(r"^\| `\w+Refused`.*", table, re.MULTILINE)
        for word in re.findall("`([a-z]+_[a-z_]+)`", row)
    }
    assert codes
    assert codes <= {str(code) for code in ErrorCode}


def test_the_sizes_that_operators_reckon_with() -> None:
    text = text_of(OPERATING)
    packet = seal_packet(AudioHeader(1, 0, 0, 0, 0), bytes(63), bytes(32), AUDIO_PADDING_STEP)
    up = seal(pack_header(Kind.UP, 0, 1, 0), pack_items([Item(ItemType.PACKET, packet)]), bytes(32))
    room = seal(
        pack_header(Kind.ROOM, 0, 1, 0),
        bytes(RELAY_TIME_SIZE) + pack_items([Item(ItemType.PACKET, bytes(2) + packet)]),
        bytes(32),
    )
    assert f"{len(room) - 63} bytes around them, {len(room)} bytes\nof UDP payload" in text
    assert f"({len(up)} to it)" in text
    voice, picture = (len(room) + 28) * 8 * 50 / 1000, 0.63  # kbit/s; Mbit/s
    one, many, all_open = voice / 1000, 34 * voice / 1000, 35 * 34 * voice / 1000  # Mbit/s
    assert f"**{voice:.1f} kbit/s for each\nvoice" in text
    table = text[text.index("| 35 participants") :].replace("\N{MULTIPLICATION SIGN}", "x")
    assert f"34 x {voice:.1f} kbit/s = {many:.1f} Mbit/s | {voice:.1f} kbit/s |" in table
    assert f"35 x 34 x {voice:.1f} kbit/s = {all_open:.1f} Mbit/s | {many:.1f} Mbit/s |" in table
    total = many + 4 * 34 * picture
    assert f"{many:.1f} + 4 x 34 x {picture} = {total:.1f} Mbit/s | {one + 4 * picture:.1f} Mbit/s |" in table


def test_the_classes_of_messages_are_told() -> None:
    text = text_of(PROTOCOL)
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text[text.index("### Rates") : text.index("## 11 ")], re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", messages)) for name, messages in rows}
    served: dict[str, set[str]] = {}
    for message, command in COMMANDS.items():
        if command.rate is not None:
            served.setdefault(command.rate, set()).add(row_of(message).name)
    assert told == served
