"""The client as its user at a terminal has it."""

import json
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tcclient.capture import SPEECH
from tcclient.cli.terminal.columns import CONTINUATION
from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tests.support.processes.client_process import COMMAND, taking_part
from tests.support.processes.terminal import Terminal
from tests.support.processes.world import PASSWORD, PATIENCE

pytestmark = pytest.mark.usefixtures("measured")

UP, LEFT, HOME = "\x1b[A", "\x1b[D", "\x01"
KILL_LINE = "\x05\x15"


def test_a_participant_may_leave_at_every_question(hall: Link, tmp_path: Path) -> None:
    link = str(replace(hall, fingerprint=None))
    for answers, key, status in (("", "\x03", 130), (PASSWORD + "\n", "\x03", 130), (PASSWORD + "\n", "n\n", 4)):
        terminal = Terminal(*COMMAND, "join", link, "--user", "ketua", "--data", str(tmp_path / "terminal"))
        terminal.until("Password of ketua: ")
        if answers:
            terminal.type(answers)
            terminal.until("Is it the same? [y/N] ")
        terminal.type(key)
        assert terminal.end() == status
        assert "tcclient: " in terminal.text.splitlines()[-1]
        assert "Traceback" not in terminal.text
    assert not (tmp_path / "terminal" / "known_servers").exists()


def seated(room: Link, place: Path, *options: str, columns: int = 80) -> Terminal:
    """Ibu Ketua in a room, at a terminal."""
    who = ["--user", "ketua", "--name", "Ibu Ketua", "--data", str(place / "terminal")]
    terminal = Terminal(*COMMAND, "join", str(room), *who, *options, columns=columns)
    terminal.until("Password of ketua: ")
    terminal.type(PASSWORD + "\n")
    terminal.until("end-to-end encrypted; ")
    return terminal


def say(other: "subprocess.Popen[str]", line: str) -> None:
    """Let another participant type."""
    assert other.stdin is not None
    other.stdin.write(line + "\n")
    other.stdin.flush()


def test_a_listener_at_a_terminal(hall: Link, tmp_path: Path) -> None:
    link = replace(hall, room=f"{hall.room} \N{PARTY POPPER}", fingerprint=None)
    command = [*COMMAND, "join", str(link), "--user", "ketua", "--name", "Ibu Ketua", "--listen"]
    terminal = Terminal(*command, "--data", str(tmp_path / "terminal"))
    terminal.until("Password of ketua: ")
    terminal.type(PASSWORD + "\n")
    terminal.until("Is it the same? [y/N] ")
    assert hall.fingerprint is not None
    assert format_fingerprint(hall.fingerprint) in terminal.text
    terminal.type("y\n")
    terminal.until(f"in room {link.room}, end-to-end encrypted; 1 here")
    terminal.bottom(">", "mic off, cam off | UDP ok | loss up 0.0% down 0.0% | speaking: nobody")
    with taking_part(link, tmp_path / "terminal") as other:
        terminal.until("+ Kantor Dua / kantor-2")
        say(other, "x" * 100_000 + "\nselamat pagi\n/msg ketua rahasia")
        terminal.until("Kantor Dua / kantor-2: selamat pagi")
        terminal.until("Kantor Dua / kantor-2 (to you alone): rahasia")
        for line, answer in (
            ("/who", "Kantor Dua / kantor-2 [speaker] only listens"),
            ("/code", ":"),
            ("/quality", "loss up"),
            ("/help", "/mute [WHO]"),
            ("/help video", "Without a word the camera changes its state."),
            ("/bogus", "tcclient: /bogus is no command; nothing was sent."),
            ("/msg zz x", "tcclient: 'zz' is nobody here"),
            ("/msg ketua x", "tcclient: ketua is you"),
            ("/limit many", "tcclient: /limit takes a number"),
            ("/limit 99999999999999999999", "tcclient: "),
            ("/title " + "x" * 500, "tcclient: "),
            ("/title", "tcclient: /title takes a text"),
            ("/msg kantor-2", "tcclient: /msg WHO takes a text"),
            ("/msg kantor-2 \thalo  ", "ketua / Ibu Ketua (to Kantor Dua / kantor-2 alone): "),
            ("/notice", "tcclient: /notice takes a text"),
            ("/notice halo semua", "tcclient: not permitted"),
            ("/mute", "tcclient: your microphone is off"),
            ("/mute kantor-2", "Kantor Dua / kantor-2 was asked to mute"),
            ("/unmute kantor-2", "Kantor Dua / kantor-2 was asked to unmute"),
            ("/mute all", "all were asked to mute"),
            ("/hand", "ketua / Ibu Ketua raises the hand"),
            ("/who", "hand raised (1 of"),
            ("/next", "ketua / Ibu Ketua has the hand down"),
            ("/next", "tcclient: no hand is raised"),
            ("/hand", "ketua / Ibu Ketua raises the hand"),
            ("/lower", "ketua / Ibu Ketua has the hand down"),
            ("/hold kantor-2", "> /hold kantor-2"),
            ("/release kantor-2", "> /release kantor-2"),
            ("/lock", "the room was changed"),
            ("/unlock", "the room was changed"),
            ("/audio-only-all", "the room was changed: it is for sound only"),
            ("/audio-only-all off", "> /audio-only-all off"),
            ("/mute ketua", "tcclient: ketua is you"),
            ("/talk", "tcclient: your microphone is off"),
            ("/video", "tcclient: your camera is off"),
            ("/video up", "tcclient: /video takes on or off"),
            ("/audio-only up", "tcclient: /audio-only takes on or off"),
            ("/audio-only", "pictures come no more"),
            ("/audio-only off", "pictures come again"),
            ("/quit now", "tcclient: /quit takes nothing behind it"),
            ("x" * 3000, "tcclient: a text has at most 2000 characters"),
            ("/role kantor-2 listener", "kantor-2 is listener now"),
            ("halo", "ketua / Ibu Ketua: halo"),
            ("//halo", "ketua / Ibu Ketua: /halo"),
            ("/kick kantor-2", "- Kantor Dua / kantor-2 (kicked)"),
        ):
            terminal.type(KILL_LINE + line + "\r")
            terminal.until(answer)
        assert other.wait(PATIENCE) == 6
    assert not terminal.echoes
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.text
    assert PASSWORD not in terminal.text


def test_what_is_typed_stays_together_whatever_is_shown_meanwhile(hall: Link, tmp_path: Path) -> None:
    terminal = seated(hall, tmp_path, "--listen")
    terminal.type("selXX\x7f\x7fa")
    terminal.bottom("> sela", "mic off")
    with taking_part(hall, tmp_path / "terminal") as other:
        terminal.until("+ Kantor Dua / kantor-2\r\n")
        terminal.bottom("> sela", "mic off")
        say(other, "halo")
        terminal.until("Kantor Dua / kantor-2: halo\r\n")
        terminal.bottom("> sela", "mic off")
        terminal.type("mat\r")
        terminal.until("ketua / Ibu Ketua: selamat\r\n")
        terminal.type("/msg kantor-2 rahasia\r")
        terminal.until("> /msg kantor-2 rahasia\r\n")
        terminal.until("(to Kantor Dua / kantor-2 alone): rahasia\r\n")
        other.terminate()
        assert other.wait(PATIENCE) == 0
    terminal.until("- Kantor Dua / kantor-2\r\n")
    terminal.type("/quit\r")
    terminal.until("> /quit\r\n")
    assert terminal.end() == 0
    lines = [line[9:] for line in terminal.shown]
    for text in ("+ Kantor Dua / kantor-2", "Kantor Dua / kantor-2: halo", "ketua / Ibu Ketua: selamat"):
        assert lines.count(text) == 1
    assert not any("mic off" in line or line.startswith("sela") for line in lines), "what stayed is gone"


def test_a_line_can_be_edited_and_called_back(hall: Link, tmp_path: Path) -> None:
    terminal = seated(hall, tmp_path)
    terminal.type("satu\r")
    terminal.until("Ibu Ketua: satu\r\n")
    terminal.type("duo" + LEFT + "\x1b[3~a\r")
    terminal.until("Ibu Ketua: dua\r\n")
    terminal.bottom(">", "mic off")  # older lines can be called back as soon as the empty line is drawn
    terminal.type(UP + UP)
    terminal.bottom("> satu", "mic off")
    terminal.type(HOME + "ke\r")
    terminal.until("Ibu Ketua: kesatu\r\n")
    terminal.resize(60)
    terminal.type("x" * 100)
    terminal.wait(lambda: terminal.shown[-1].startswith("mic off") and len(terminal.shown[-1]) < 60, "a narrower line")
    terminal.type("\x03")
    assert terminal.end() == 0


def test_what_was_refused_is_typed_again(hall: Link, tmp_path: Path) -> None:
    terminal = seated(hall, tmp_path)
    for line, reason in (
        ("/msg nobody selamat", "tcclient: 'nobody' is nobody here"),
        ("/mutee", "tcclient: /mutee is no command"),
        ("x" * 2001, "tcclient: a text has at most 2000 characters"),
        ("a\x11\x07b", "tcclient: a text has no control characters (U+0007)"),
    ):
        terminal.type(KILL_LINE + line + "\r")
        terminal.until(reason)
        last = line[-3:].replace("\x11\x07", "^G")
        terminal.wait(lambda last=last: terminal.shown[-2].endswith(last), f"{line} in the line")
    terminal.type("\x7f\x7fc\r")
    terminal.until("Ibu Ketua: ac\r\n")
    terminal.type("/quit\r")
    assert terminal.end() == 0


def test_texts_arrive_as_they_were_typed_and_pasted(hall: Link, tmp_path: Path) -> None:
    with taking_part(hall, tmp_path / "other") as other:
        terminal = seated(hall, tmp_path)
        terminal.until("Kantor Dua / kantor-2 [chair] only listens")
        texts = [
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
            "  di\u00adam a\u200ebc\u200fd ",
            "satu\tdua",
        ]
        for text in texts:
            terminal.type(text + "\r")
        pasted = "baris\t1\nbaris 2"
        terminal.type(f"\x1b[200~{pasted}\x1b[201~")
        terminal.type("\r")
        assert other.stdout is not None
        got: list[str] = []
        while len(got) < len(texts) + 1:
            line = other.stdout.readline()
            assert line
            if '"chat"' in line:
                got.append(json.loads(line)["text"])
        assert got == [*texts, pasted]
        for text in (*texts, pasted):
            say(other, text.replace("\n", " "))
        for text in texts:
            terminal.until(f"Kantor Dua / kantor-2: {text.expandtabs(8)}\r\n" if "\t" not in text else "kantor-2: satu")
        terminal.type("\x03")
        assert terminal.end() == 0


def test_nobody_can_write_a_line_of_the_terminal(hall: Link, tmp_path: Path) -> None:
    with taking_part(hall, tmp_path / "other") as other:
        terminal = seated(hall, tmp_path)
        say(other, "halo" + " " * 62 + "12:00:00 ketua / Ibu Ketua: saya setuju \u202eabc")
        terminal.until("\ufffdabc")
        say(other, "selesai")
        terminal.until("selesai")
        forged = [line for line in terminal.shown if "setuju" in line]
        assert forged
        assert all(line.startswith(CONTINUATION) for line in forged)
        assert "\u202e" not in terminal.text
        terminal.type("\x03")
        assert terminal.end() == 0


def test_who_speaks_and_what_is_sent_stay_at_the_bottom(hall: Link, tmp_path: Path) -> None:
    with taking_part(hall, tmp_path / "other", "--audio", str(SPEECH), "--loop") as other:
        terminal = seated(hall, tmp_path, "--audio", "tone", "--video", "test")
        terminal.until("sending audio and video")
        terminal.wait(
            lambda: terminal.shown[-1].startswith("mic on, cam on | UDP ok | loss up 0.0% down 0.0% | speaking: "),
            "what is sent",
        )
        terminal.wait(lambda: "speaking: Kantor Dua" in terminal.shown[-1], "who speaks")
        for line, state in (
            ("/mute", "mic muted, cam on"),
            ("/video", "mic muted, cam muted"),
            ("/unmute", "mic on, cam muted"),
            ("/video on", "mic on, cam on"),
            ("/video off", "mic on, cam muted"),
            ("/mute kantor-2", "mic on, cam muted"),
        ):
            terminal.type(line + "\r")
            terminal.until(f"> {line}\r\n")
            terminal.wait(lambda state=state: terminal.shown[-1].startswith(state), state)
        assert other.poll() is None
        terminal.type("/quit\r")
        assert terminal.end() == 0
    assert not any("speaking" in line for line in terminal.text.split("\r\n") if line[2:3] == ":")


def test_a_terminal_that_takes_nothing_keeps_nobody_in(hall: Link, tmp_path: Path) -> None:
    with taking_part(hall, tmp_path / "other") as other:
        terminal = seated(hall, tmp_path)
        terminal.bottom(">", "mic off")
        for number in range(120):  # more than a terminal holds if nobody reads it
            say(other, f"{number} " + "x" * 1900)
            time.sleep(0.02)
        time.sleep(1)
        terminal.type("\x03")
        until = time.monotonic() + PATIENCE
        while not (ended := os.waitid(os.P_PID, terminal.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
            assert time.monotonic() < until, "Ctrl-C does not end it"
            time.sleep(0.05)
        assert ended.si_status == 0
        assert terminal.end() == 0


def test_a_terminal_that_is_closed_ends_the_client(hall: Link, tmp_path: Path) -> None:
    terminal = seated(hall, tmp_path)
    terminal.bottom(">", "mic off")
    terminal.close()
    assert terminal.status() == 130
