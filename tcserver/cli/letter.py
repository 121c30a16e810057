"""Letters to agencies, with what each needs to take part: a page of HTML to print. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import NamedTuple

LANGUAGES = ("en", "id")


class Recipient(NamedTuple):
    """An agency, as ``account import --output`` writes it down."""

    display: str
    user: str
    password: str
    link: str
    """For the command line."""
    web_link: str
    """For a browser; empty where the server has no page."""


class Meeting(NamedTuple):
    """What all letters have in common; texts that are empty are left out."""

    title: str
    when: str


_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "to": "To",
            "invitation": "Invitation to a teleconference",
            "when": "When",
            "address": "Address",
            "user": "User name",
            "password": "Password",
            "command": "For the program tcclient",
            "open": "Open the address in a new Chrome, Edge or Safari, or in Firefox on a computer.",
            "type": "Type the user name and the password, and your own name. All of your agency may use them at once.",
            "try": "Allow the microphone and the camera, press “Test sound”, and wear a headset if you can.",
            "join": "Press “Join”. Mute yourself while others speak, and raise your hand to speak.",
            "secret": "Keep this letter to your agency. You can change the password in the meeting, under “Settings”.",
        },
        "id": {
            "to": "Kepada",
            "invitation": "Undangan telekonferensi",
            "when": "Waktu",
            "address": "Alamat",
            "user": "Nama pengguna",
            "password": "Kata sandi",
            "command": "Untuk program tcclient",
            "open": "Buka alamat di Chrome, Edge atau Safari versi baru, atau di Firefox di komputer.",
            "type": "Isi nama pengguna, kata sandi, dan nama Anda. Beberapa orang dari instansi Anda dapat masuk.",
            "try": "Izinkan mikrofon dan kamera, tekan “Uji suara”, dan pakailah headset bila ada.",
            "join": "Tekan “Masuk”. Bisukan mikrofon saat orang lain berbicara, dan angkat tangan untuk berbicara.",
            "secret": "Simpan surat ini untuk instansi Anda saja. Kata sandi dapat diganti di rapat, di “Pengaturan”.",
        },
    }
)
_STYLE = """\
body { font: 12pt/1.5 sans-serif; margin: 0 auto; max-width: 18cm; }
article { break-after: page; padding: 1cm 0; }
article:last-child { break-after: auto; }
h1 { font-size: 18pt; line-height: 1.2; }
dt { font-size: 10pt; color: #444; }
dd { margin: 0 0 3mm; overflow-wrap: anywhere; }
code { font: 12pt/1.4 monospace; }
"""


def letters(recipients: Sequence[Recipient], meeting: Meeting, language: str) -> str:
    """Return a document with a page for each agency."""
    words = _WORDS[language]
    pages = "".join(_letter(recipient, meeting, words) for recipient in recipients)
    title = escape(meeting.title or words["invitation"])
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>\n{_STYLE}</style>\n</head>\n<body>\n{pages}</body>\n</html>\n"
    )


def _letter(recipient: Recipient, meeting: Meeting, words: Mapping[str, str]) -> str:
    facts = [("when", meeting.when, False), ("address", recipient.web_link, True)]
    facts += [("user", recipient.user, True), ("password", recipient.password, True), ("command", recipient.link, True)]
    steps = ["open", "type", "try", "join"] if recipient.web_link else []
    return "".join(
        [
            f"<article>\n<p>{words['to']}: <strong>{escape(recipient.display)}</strong></p>\n",
            f"<h1>{escape(meeting.title or words['invitation'])}</h1>\n<dl>\n",
            *(f"<dt>{words[name]}</dt>\n<dd>{_value(text, code)}</dd>\n" for name, text, code in facts if text),
            "</dl>\n",
            "<ol>\n" + "".join(f"<li>{words[step]}</li>\n" for step in steps) + "</ol>\n" if steps else "",
            f"<p>{words['secret']}</p>\n</article>\n",
        ]
    )


def _value(text: str, code: bool) -> str:
    return f"<code>{escape(text)}</code>" if code else escape(text)
