"""``media.sender = "bpf"`` in a server of its own: its rights, and what it says without them."""

import ctypes
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tcserver.media.bpf.capabilities import CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN
from tests.support.media.namespaces import skip_without_bpf
from tests.support.processes.world import World

LOADING = (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN)
_CAPBSET_DROP = 24
T = TypeVar("T")


def without_rights(call: Callable[[], T]) -> T:
    """Call a function in a thread whose processes cannot get the rights to load programs."""

    def run() -> T:
        libc = ctypes.CDLL(None)
        for capability in LOADING:
            libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # it fails where there are no such rights anyway
        return call()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


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
    def serve() -> list[str]:
        with world.process("media.sender=bpf") as server:
            pass
        return server.log

    errors = without_rights(serve)
    assert any(
        "media.sender: the kernel cannot make the copies, datagrams are sent as with auto: "
        "a BPF map: Operation not permitted (needs CAP_BPF and CAP_NET_ADMIN)" in line
        for line in errors
    )
    assert "Traceback" not in "".join(errors)


def test_check_says_what_is_missing(world: World) -> None:
    command = [sys.executable, "-m", "tcserver", "check", "--set", "media.sender=bpf", "--data", str(world.data)]
    checked = without_rights(lambda: subprocess.run(command, capture_output=True, text=True))
    assert (checked.returncode, checked.stderr) == (1, "")
    assert checked.stdout == (
        "configuration        can be used\n"
        "copies by the kernel do not work here: a BPF map: Operation not permitted (needs CAP_BPF and CAP_NET_ADMIN)\n"
    )
