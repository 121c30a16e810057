"""``media.sender = "bpf"`` in a server of its own: its rights, what it says without them, and changes of networks."""

import contextlib
import ctypes
import errno
import platform
import re
import struct
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from tcclient.publication import Publication
from tcclient.sources import tone
from tcclient.track import Track
from tcserver.media.bpf.capabilities import CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN
from tests.support.media.namespaces import (
    CABLE,
    CLIENTS,
    SERVER,
    Namespaces,
    cable,
    skip_without_bpf,
)
from tests.support.processes.world import Run, Server, World, until

__all__ = ["cable"]

SENT_ANOTHER_WAY = "media.sender: the kernel cannot make the copies, datagrams are sent as with auto"
LOADING = (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN)
LISTENERS = 8
HALF_A_SECOND = 25
"""Packets of sound."""
METRICS_PORT = 9133
GATEWAY = "10.97.0.3"
_CAPBSET_DROP, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 24, 22, 38
_FILTER = 2
_BPF_OF_X86, _LINK_CREATE = 321, 28
T = TypeVar("T")


def apart(prepare: Callable[[ctypes.CDLL], None], call: Callable[[], T]) -> T:
    """Call a function in a thread whose processes have what ``prepare`` has left to it."""

    def run() -> T:
        prepare(ctypes.CDLL(None, use_errno=True))
        return call()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def without_rights(libc: ctypes.CDLL) -> None:
    """Take the rights to load programs from this thread."""
    for capability in LOADING:
        libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # it fails where there are no such rights anyway


def as_an_old_kernel(libc: ctypes.CDLL) -> None:
    """Let the kernel answer as one before Linux 6.6, which knows no programs at the egress of a device (TCX)."""
    load, jump, answer = 0x20, 0x15, 0x06  # of seccomp(2): a word of the call, if it is equal, the answer
    steps = (
        (load, 0, 0, 0),
        (jump, 0, 3, _BPF_OF_X86),
        (load, 0, 0, 16),
        (jump, 0, 1, _LINK_CREATE),
        (answer, 0, 0, 0x50000 | errno.EINVAL),
        (answer, 0, 0, 0x7FFF0000),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    assert not libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    assert not libc.prctl(_SET_SECCOMP, _FILTER, program, 0, 0)


def effective(status: Path) -> int:
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("CapEff:")]
    return int(line.split()[1], 16)


def test_no_thread_of_the_server_has_the_rights_for_which_it_was_started(world: World) -> None:
    skip_without_bpf()
    with world.process("media.sender=bpf", "server.workers=1") as server:
        threads = list(Path(f"/proc/{server.process.pid}/task").iterdir())
        assert len(threads) > 1
        for thread in threads:
            assert not any(effective(thread / "status") >> capability & 1 for capability in LOADING)
    assert "cannot make the copies" not in "".join(server.log)


def test_a_server_without_the_rights_says_so_and_runs(world: World) -> None:
    log = "".join(apart(without_rights, lambda: log_of_a_start(world)))
    assert f"{SENT_ANOTHER_WAY}: a BPF map: Operation not permitted (needs CAP_BPF and CAP_NET_ADMIN)" in log
    assert "Traceback" not in log


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the calls of this machine have other numbers")
def test_a_server_on_an_old_kernel_says_so_and_runs(world: World) -> None:
    skip_without_bpf()
    log = "".join(apart(as_an_old_kernel, lambda: log_of_a_start(world)))
    assert (
        f"{SENT_ANOTHER_WAY}: a BPF program at a device: Invalid argument (needs Linux 6.6 or later, with BPF)" in log
    )
    assert "Traceback" not in log


def log_of_a_start(world: World) -> list[str]:
    with world.process("media.sender=bpf") as server:
        pass
    return server.log


def test_check_says_what_is_missing(world: World) -> None:
    settings = ["--set", "media.sender=bpf", "--set", "server.port=0"]
    command = [sys.executable, "-m", "tcserver", "check", *settings, "--data", str(world.data)]
    checked = apart(without_rights, lambda: subprocess.run(command, capture_output=True, text=True))
    assert (checked.returncode, checked.stderr) == (1, "")
    assert checked.stdout.startswith("configuration        can be used\n")
    assert (
        "copies by the kernel do not work here: a BPF map: Operation not permitted (needs CAP_BPF and CAP_NET_ADMIN)\n"
    ) in checked.stdout


class Sent(NamedTuple):
    """What the server has sent to receivers: as clones, and in another way, by reason."""

    cloned: int
    others: dict[str, int]


class Call:
    """A participant who speaks, and those who hear it, over a cable to the server."""

    def __init__(self, cable: Namespaces, server: Server, speech: Publication, tracks: list[Track]) -> None:
        self.cable, self.server, self.speech, self.tracks = cable, server, speech, tracks

    def sent(self) -> Sent:
        with self.cable.inside("server"):
            page = urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=5).read().decode()
        cloned = re.findall(r"^tcserver_media_datagrams_cloned_total\{.*\} (\S+)$", page, re.MULTILINE)
        others = re.findall(
            r'^tcserver_media_datagrams_not_cloned_total\{.*reason="(\w+)".*\} (\S+)$', page, re.MULTILINE
        )
        return Sent(sum(int(float(count)) for count in cloned), {reason: int(float(count)) for reason, count in others})

    async def heard(self) -> None:
        """All hear half a second more."""
        goal = [track.statistics.packets + HALF_A_SECOND for track in self.tracks]
        await until(
            lambda: all(track.statistics.packets >= most for track, most in zip(self.tracks, goal, strict=True)),
            f"sound: {[track.statistics.packets for track in self.tracks]}",
        )

    async def heard_by_clones(self) -> None:
        before = self.sent().cloned
        await until(lambda: self.sent().cloned > before + LISTENERS, "clones")
        await self.heard()

    async def heard_otherwise(self, reason: str) -> None:
        """All hear, and the metrics tell why not by clones."""
        before = self.sent().others.get(reason, 0)
        await until(lambda: self.sent().others.get(reason, 0) >= before + LISTENERS, reason)
        await self.heard()


@contextlib.asynccontextmanager
async def calling(cable: Namespaces, world: World) -> AsyncIterator[Call]:
    settings = (f"server.addresses={SERVER}", "media.sender=bpf", f"http.port={METRICS_PORT}")
    async with contextlib.AsyncExitStack() as stack:
        with cable.inside("server"):
            server = stack.enter_context(world.process(*settings))
        link = server.room("Hall")
        stack.enter_context(cable.inside("clients"))
        speaker = await stack.enter_async_context(world.client(link, "kantor-2", "Budi", path="udp"))
        rooms = [
            await stack.enter_async_context(world.client(link, "kantor-1", f"Sri {number}", path="udp"))
            for number in range(LISTENERS)
        ]
        speech = await speaker.publish(tone())
        await until(lambda: all(room.tracks for room in rooms), "a track for each")
        yield Call(cable, server, speech, [room.tracks[0] for room in rooms])


def test_nothing_is_lost_when_the_network_changes(cable: Namespaces, run: Run, world: World) -> None:
    """Where clones cannot be used, the other calls serve all, and clones come back."""

    async def main() -> None:
        async with calling(cable, world) as call:
            await call.heard_by_clones()
            cable.clients("address", "add", f"{GATEWAY}/24", "dev", CABLE)
            cable.server("route", "add", f"{CLIENTS}/32", "via", GATEWAY)
            await until(lambda: call.server.logged("the network has changed"), "the change of the route")
            await call.heard_by_clones()
            cable.server("link", "set", CABLE, "mtu", "1000")
            await call.heard_otherwise("device")
            cable.server("link", "set", CABLE, "mtu", "1500")
            await call.heard_by_clones()
            assert sum(track.statistics.lost for track in call.tracks) == 0

    try:
        run(main)
    finally:
        cable.server("link", "set", CABLE, "mtu", "1500")
        cable.server("route", "delete", f"{CLIENTS}/32")
        cable.clients("address", "delete", f"{GATEWAY}/24", "dev", CABLE)


def answer_who_has(cable: Namespaces, answers: bool) -> None:
    """Let the clients' end of the cable tell its MAC address, or not."""
    with cable.inside("clients"):
        Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("0" if answers else "8")


def test_a_call_goes_on_when_a_neighbour_and_a_device_were_gone(cable: Namespaces, run: Run, world: World) -> None:
    async def main() -> None:
        async with calling(cable, world) as call:
            await call.heard_by_clones()
            before = call.sent().others.get("neighbour", 0)
            answer_who_has(cable, False)
            cable.server("neighbour", "delete", CLIENTS, "dev", CABLE)
            await until(lambda: call.sent().others.get("neighbour", 0) > before, "the neighbour that is gone")
            answer_who_has(cable, True)
            await call.heard_by_clones()

            cable.server("link", "set", CABLE, "down")
            await until(lambda: call.server.logged("the network has changed"), "the device that is down")
            cable.server("link", "set", CABLE, "up")
            await call.heard_by_clones()
        assert "Traceback" not in "".join(call.server.log)

    run(main)
