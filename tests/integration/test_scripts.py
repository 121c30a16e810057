"""Output of the client for a script: ends, errors, participants. No reader holds the client up."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcclient.cli import attend
from tcclient.cli.main import main
from tcclient.core.settings import AUDIO_ONLY, DEFAULT_SOURCES
from tcproto.link import Link
from tcproto.messages import Source
from tests.support.processes.client_process import COMMAND, taking_part
from tests.support.processes.world import PASSWORD, PATIENCE, Server

pytestmark = pytest.mark.usefixtures("measured")

F_SETPIPE_SZ = 1031
PIPE = 4096


def join(
    link: Link, place: Path, *options: str, user: str = "ketua", password: str = PASSWORD
) -> subprocess.CompletedProcess[str]:
    """Join with --json, to the end."""
    who = ["--user", user, "--password-stdin", "--data", str(place / user), "--json"]
    return subprocess.run(
        [*COMMAND, "join", str(link), *who, *options], input=password + "\n", capture_output=True, text=True,
        timeout=3 * PATIENCE, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def chair(link: Link, place: Path, **files: Any) -> Iterator["subprocess.Popen[str]"]:
    """Ibu Ketua in a room, in a process of its own."""
    command = [*COMMAND, "join", str(link), "--user", "ketua", "--password-stdin", "--data", str(place), "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, text=True, **({"stdout": subprocess.PIPE} | files)
    ) as process:
        say(process, PASSWORD)
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


def say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def event(process: "subprocess.Popen[str]", name: str, **fields: object) -> dict[str, Any]:
    """Return the next event of a name with these fields."""
    assert process.stdout is not None
    until, passed = time.monotonic() + PATIENCE, []
    for line in process.stdout:  # figures come every second, so the wait for a line is not much longer
        told: dict[str, Any] = json.loads(line)
        if told["event"] == name and fields.items() <= told.items():
            return told
        passed.append(told)
        assert time.monotonic() < until, passed
    raise AssertionError(f"{name} is not told")


def test_each_end_has_a_status_of_its_own(server: Server, tmp_path: Path) -> None:
    link = server.room("Hall")
    done = join(link, tmp_path, password="wrong password")
    assert done.returncode == 5
    (error,) = map(json.loads, done.stdout.splitlines())
    assert error == {
        "event": "error",
        "error": "LoginRefused",
        "code": "bad_credentials",
        "text": "the username or the password is wrong",
        "retry_after_ms": 0,
    }
    assert done.stderr == "tcclient: the username or the password is wrong\n"
    done = join(server.room("Open"), tmp_path)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (3, "mode_mismatch")
    done = join(server.room("Hall", port=1), tmp_path)
    assert (done.returncode, json.loads(done.stdout)["error"]) == (1, "ConnectError")
    done = join(server.room("Hall", fingerprint=bytes(20)), tmp_path)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (4, None)
    done = join(server.room(""), tmp_path)
    assert (done.returncode, json.loads(done.stdout)["error"]) == (2, "ValueError")
    with chair(link, tmp_path / "chair") as leader:
        event(leader, "joined")
        with taking_part(link, tmp_path / "kicked") as other:
            event(leader, "participant_joined")
            say(leader, "/kick kantor-2")
            assert event(other, "error")["code"] == "kicked"
            assert other.wait(PATIENCE) == 6
        say(leader, "/close")
        assert event(leader, "closed")["code"] == "room_closed"
        assert leader.wait(PATIENCE) == 7
    done = join(link, tmp_path, "--seconds", "0.1")
    assert done.returncode == 0, "a permanent room stays"


def test_who_is_here_and_what_was_refused(hall: Link, tmp_path: Path) -> None:
    with contextlib.ExitStack() as ends:
        leader = ends.enter_context(chair(hall, tmp_path / "chair"))
        event(leader, "joined")
        other = ends.enter_context(taking_part(hall, tmp_path / "other"))
        event(leader, "participant_joined", account="kantor-2", role="speaker", marks=[])
        say(other, "/who")
        found = [event(other, "participant") for _ in range(2)]
        assert [(p["account"], p["role"], p["me"], p["verified"], p["marks"]) for p in found] == [
            ("ketua", "chair", False, True, []),
            ("kantor-2", "speaker", True, True, []),
        ]
        for line, code, text in (
            ("/kick ketua", "not_permitted", "not permitted"),
            ("/kick nobody", None, "'nobody' is nobody here"),
            ("/bogus x", None, "/bogus is no command"),
            ("a\x1b[2J", None, "a text has no control characters (U+001B)"),
        ):
            say(other, line)
            error = event(other, "error")
            assert (error["input"], error["code"]) == (line, code)
            assert error["text"].startswith(text)
        text = " \tmi\u200cxa\u00adham \N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL} "
        say(other, text)
        assert event(leader, "chat")["text"] == text
        say(other, "/msg ketua" + text)
        assert event(leader, "chat", scope="participant")["text"] == text.lstrip()
        assert event(other, "chat", to="ketua / ketua")["text"] == text.lstrip()
        say(leader, "/mute kantor-2")
        assert event(leader, "asked_to_mute")["who"] == "Kantor Dua / kantor-2"
        assert event(other, "mute_asked", who="ketua / ketua")["source"] == "microphone"
        say(other, "/mute ketua")
        assert event(leader, "chat", who="Kantor Dua / kantor-2")["text"] == "Please mute your microphone."
        assert event(other, "chat", to="ketua / ketua")["text"] == "Please mute your microphone."


@pytest.mark.parametrize(("path", "way"), [("auto", "udp"), ("udp", "udp"), ("stream", "stream")])
def test_which_way_sound_and_pictures_take(shared_server: Server, tmp_path: Path, path: str, way: str) -> None:
    with taking_part(shared_server.room("Hall"), tmp_path, "--path", path) as other:
        ways = [event(other, "path")]
        event(other, "quality", path="ok", way=way)
        say(other, "/quit")
        assert other.stdout is not None
        ways += [told for told in map(json.loads, other.stdout) if told["event"] == "path"]
    assert [(told["state"], told["way"]) for told in ways] == [("ok", way)]


@pytest.mark.parametrize("stalled", ["stdout", "stderr"])
def test_a_reader_that_stops_holds_up_nothing(hall: Link, tmp_path: Path, stalled: str) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, PIPE)
    files = {"stderr": writing} if stalled == "stderr" else {"stdout": writing}
    with (
        taking_part(hall, tmp_path / "other") as other,
        chair(hall, tmp_path / "chair", **files) as leader,
    ):
        os.close(writing)
        event(other, "participant_joined")
        if stalled == "stdout":
            for number in range(8):
                say(other, f"{number} " + "x" * 1900)
        else:
            for _ in range(80):
                say(leader, "/" + "x" * 100)
        say(leader, "masih di sini")
        assert event(other, "chat", who="ketua / ketua")["text"] == "masih di sini"
        began = time.monotonic()
        leader.send_signal(signal.SIGINT)
        assert leader.wait(PATIENCE) == 0
        assert time.monotonic() - began < 5
        event(other, "participant_left", code=None)
    with os.fdopen(reading) as rest:
        lines = rest.read().splitlines(keepends=True)
    assert lines
    if stalled == "stdout":
        assert json.loads(lines[0])["event"] == "joined"
        assert all(json.loads(line) for line in lines if line.endswith("\n"))


def test_a_reader_that_is_gone_ends_it_in_good_order(hall: Link, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with taking_part(hall, tmp_path / "other") as other:
        with chair(hall, tmp_path / "chair", stdout=writing, stderr=subprocess.PIPE) as leader:
            os.close(writing)
            event(other, "participant_joined")
            os.close(reading)
            assert leader.wait(PATIENCE) == 1
            assert leader.stderr is not None
            assert leader.stderr.read() == "tcclient: nobody reads the output any more\n"
        assert event(other, "participant_left")["code"] is None


def test_who_speaks_is_no_line_unless_it_is_asked_for(hall: Link, tmp_path: Path) -> None:
    with contextlib.ExitStack() as ends:
        listeners = []
        for user, options in (("ketua", ["--listen"]), ("kantor-1", [])):
            command = [*COMMAND, "join", str(hall), "--user", user, "--password-stdin", "--data", str(tmp_path / user)]
            listener = ends.enter_context(
                subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            ends.callback(listener.kill)
            say(listener, PASSWORD)
            assert listener.stdout is not None
            assert "in room Hall" in listener.stdout.readline()
            listeners.append(listener)
        with taking_part(hall, tmp_path / "other", "--audio", "tone") as other:
            event(other, "speakers", speaking=["Kantor Dua / kantor-2"])
            say(other, "cukup")
            heard = []
            for listener in listeners:
                lines = []
                while not lines or "cukup" not in lines[-1]:
                    lines.append(listener.stdout.readline())
                heard.append(any("speaking: Kantor Dua / kantor-2" in line for line in lines))
            assert heard == [True, False]


@pytest.mark.parametrize(
    ("options", "sources"),
    [
        ([], AUDIO_ONLY),
        (["--listen"], AUDIO_ONLY),
        (["--speaker"], AUDIO_ONLY),
        (["--record", "x"], DEFAULT_SOURCES),
        (["--record", "x", "--no-video"], AUDIO_ONLY),
    ],
)
def test_pictures_are_asked_for_only_where_somebody_sees_them(
    monkeypatch: pytest.MonkeyPatch, options: list[str], sources: tuple[Source, ...]
) -> None:
    asked = []

    class Attending:
        def __init__(self, wishes: attend.Wishes, *_: object) -> None:
            asked.append(wishes.sources)

        async def attend(self) -> int:
            return 0

    monkeypatch.setattr("tcclient.cli.attend.Attending", Attending)
    monkeypatch.setattr("tcclient.cli.join._password", lambda _: "x")
    assert main(["join", "tc://localhost/hall", "--user", "ketua", *options]) == 0
    assert asked == [sources]
