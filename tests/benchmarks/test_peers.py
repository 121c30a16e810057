"""The same load on Mumble's server, a real one where it is installed, and on ours."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator

import pytest

from benchmarks.__main__ import main
from benchmarks.commands import peers
from benchmarks.harness import load
from benchmarks.harness.load import Figure, Measurement
from benchmarks.harness.report import BenchmarkError
from benchmarks.mumble import ocb2, server
from benchmarks.mumble.clients import Guests
from benchmarks.mumble.server import MumbleServer

linux = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark needs Linux")


def _missing() -> str:
    try:
        server.program()
    except BenchmarkError as error:
        return str(error)
    return ""


mumble = pytest.mark.skipif(sys.platform != "linux" or bool(_missing()), reason=_missing() or "needs Linux")


@pytest.fixture(scope="module")
def running() -> Iterator[MumbleServer]:
    with MumbleServer() as running:
        yield running


@pytest.fixture
def guests(running: MumbleServer) -> Iterator[Guests]:
    with Guests(running) as guests:
        yield guests


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, all_processors: None) -> None:
    """Few and small busy rooms."""
    monkeypatch.setattr(peers, "BUSY_ROOMS", 2)
    for module in (load, peers):
        monkeypatch.setattr(module, "BUSY_PARTICIPANTS", 5)


@mumble
def test_a_voice_reaches_its_channel_and_no_other(running, guests):
    here, there = (guests.join(channel, 3) for channel in guests.open_channels(["here", "there"]))
    guests.prove()
    said = [os.urandom(80) for _ in range(3)]
    for opus in said:
        here[0].socket.sendto(here[0].say(opus), running.address)
    there[0].socket.sendto(there[0].say(b"elsewhere"), running.address)
    for listener in here[1:]:
        assert [listener.hear() for _ in said] == [(here[0].session, 2 * n, opus) for n, opus in enumerate(said)]
    assert there[1].hear() == (there[0].session, 0, b"elsewhere")


@mumble
def test_a_talker_who_has_sealed_more_than_it_sent_is_heard_after_they_agree(running, guests):
    talker, listener = guests.join(guests.open_channels(["hall"])[0], 2)
    guests.prove()
    for _ in range(2000):
        talker.say(b"unsent")
    guests.agree([talker, listener])
    talker.socket.sendto(talker.say(b"sent"), running.address)
    assert listener.hear().opus == b"sent"


@mumble
def test_what_is_left_of_a_load_is_not_taken_for_another_voice(running, guests):
    talker, listener = guests.join(guests.open_channels(["late"])[0], 2)
    guests.prove()
    for _ in range(3):
        talker.socket.sendto(talker.say(b"of the load"), running.address)
    peers.confirm(running, talker, listener)


@mumble
def test_a_wrong_password_is_one_clear_error(running, guests, monkeypatch):
    monkeypatch.setattr(running, "administrator_password", "wrong")
    with pytest.raises(BenchmarkError, match="refuses: REJECT"):
        guests.open_channels(["wrong"])


@mumble
def test_both_servers_and_the_kernel_are_measured_under_the_same_load(small):
    report = peers.run(Namespace(quick=True, receivers=[3], seconds=0.1, repeats=1, sender="auto"))
    runs = report.figures["runs"]
    assert [(run["pace"], run["receivers"], run["target"]) for run in runs] == [
        (*what, target)
        for what in (("paced", 3), ("flood", 3), ("busy", 4))
        for target in (peers.SERVER, peers.MUMBLE, peers.FLOOR)
    ]
    assert all(run["cpu"] > 0 and run["delivered"] > 0 for run in runs)
    assert all(memory[name] > 1 << 20 for memory in report.figures["memory"] for name in (peers.SERVER, peers.MUMBLE))
    assert report.bars[0].measured is not None or report.bars[0].note  # on a busy machine a load may come late


def seen(ours: float, theirs: float, delivered: float = 1.0, late: float = 0.0) -> peers.Comparison:
    costs = {peers.SERVER: ours, peers.MUMBLE: theirs, peers.FLOOR: 1.0}
    runs = {name: Measurement(cost, 1.0, 1.0, 0.5, 0.0, 0.0) for name, cost in costs.items()}
    runs[peers.SERVER] = runs[peers.SERVER]._replace(delivered=delivered, late=late)
    return peers.Comparison({name: Figure([run]) for name, run in runs.items()})


@pytest.mark.parametrize(
    ("busy", "note"),
    [
        (seen(3.0, 6.0, delivered=0.79), "server: only 79.0% arrived"),
        (seen(3.0, 6.0, late=0.2), "server: the load came late"),
    ],
)
def test_what_was_not_under_the_whole_load_passes_no_bar(busy, note):
    bar = peers.bar({("flood", 100): seen(1.0, 4.0), ("busy", 34): busy})
    assert (bar.measured, bar.passed, bar.note) == (None, None, note)


def test_the_bar_is_the_busy_rooms_against_the_best_of_any_load():
    bar = peers.bar({("flood", 100): seen(1.0, 4.0), ("busy", 34): seen(3.0, 6.0)})
    assert (bar.measured, bar.limit, bar.passed) == (0.75, 0.8, True)
    assert bar.note == "which is 4.00 us, flood, 100 receivers"


@linux
def test_without_the_server_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(server, "PROGRAMS", ("no-such-program",))
    assert main(["peers", "--quick"]) == 3
    assert "apt install mumble-server" in capsys.readouterr().err


@linux
def test_without_aes_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(peers, "version", lambda: "1")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(BenchmarkError, match="pip install cryptography"):
        peers.run(Namespace(quick=True, receivers=None, seconds=None, repeats=None, sender="auto"))
    with pytest.raises(BenchmarkError, match="pip install cryptography"):
        ocb2.Ocb2(bytes(16))
