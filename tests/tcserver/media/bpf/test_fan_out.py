"""The program in the real kernel: who gets clones, and that nothing stays behind."""

import errno
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tcserver.media.bpf import capabilities
from tcserver.media.bpf.fan_out import Descriptors, FanOut
from tcserver.media.bpf.kernel import create_array, load_program
from tcserver.media.bpf.maps import Placed
from tcserver.media.bpf.program import (
    CLONED,
    CONTROL,
    ENTRY_SIZE,
    NOT_SEEN,
    TRIGGER_PORT,
    Trigger,
    pack_entry,
    write_program,
)
from tests.support.media.loopback import received
from tests.support.media.namespaces import Namespaces, cable, programs_at, skip_without_bpf

__all__ = ["cable"]

HOSTS = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


@pytest.fixture
def fan_out() -> Iterator[FanOut]:
    skip_without_bpf()
    opened = FanOut.open()
    yield opened
    opened.close()
    opened.close()


def cookie(sock: socket.socket) -> int:
    return struct.unpack("@Q", sock.getsockopt(socket.SOL_SOCKET, 57, 8))[0]


def entries_of(sender: socket.socket, receivers: list[socket.socket], host: str) -> Placed:
    address = socket.inet_pton(HOSTS[host], host)
    port = sender.getsockname()[1]
    return Placed(b"".join(pack_entry(0, address, port, address, to.getsockname()[1], b"") for to in receivers))


def trigger(fan_out: FanOut, sock: socket.socket, host: str, payload: bytes) -> tuple[int, int, int]:
    sock.sendto(payload, (fan_out.host if host == "127.0.0.1" else "::1", TRIGGER_PORT))
    return fan_out.maps.written()


@pytest.mark.parametrize("host", HOSTS)
def test_receivers_of_a_range_that_goes_round_get_a_clone(fan_out, bind, host):
    sender, receivers = bind(host), [bind(host) for _ in range(5)]
    placed = entries_of(sender, receivers, host)
    fan_out.maps.put(entries_of(sender, receivers[:3], host))
    base = fan_out.maps.put(placed)
    assert base == 3
    for first, count in ((0, 5), (3, 4), (4, 1), (5, 5)):
        fan_out.maps.arm(cookie(sender), base, first, 5, count)
        payload = os.urandom(140)
        assert trigger(fan_out, sender, host, payload) == (count, 0, CLONED)
        for index, receiver in enumerate(receivers):
            assert received(receiver) == [payload] * ((index - first) % 5 < count)


@pytest.mark.parametrize("host", HOSTS)
def test_only_one_datagram_is_a_trigger(fan_out, bind, host):
    """The next one to that address is a datagram for somebody who has it."""
    sender, receiver = bind(host), bind(host)
    fan_out.maps.arm(cookie(sender), fan_out.maps.put(entries_of(sender, [receiver], host)), 0, 1, 1)
    for payload in (b"1", b"2"):
        assert trigger(fan_out, sender, host, payload) == (1, 0, CLONED)
    assert received(receiver) == [b"1"]


def test_a_clone_has_the_address_of_the_sender(fan_out, bind):
    sender, receiver = bind(), bind()
    fan_out.maps.arm(cookie(sender), fan_out.maps.put(entries_of(sender, [receiver], "127.0.0.1")), 0, 1, 1)
    trigger(fan_out, sender, "127.0.0.1", b"x")
    assert receiver.recvfrom(10) == (b"x", sender.getsockname())


@pytest.mark.parametrize("host", HOSTS)
def test_a_datagram_of_another_socket_reaches_nobody(fan_out, bind, host):
    sender, stranger, receiver = bind(host), bind(host), bind(host)
    fan_out.maps.arm(cookie(sender), fan_out.maps.put(entries_of(sender, [receiver], host)), 0, 1, 1)
    assert trigger(fan_out, stranger, host, b"x") == (0, 0, NOT_SEEN)
    assert received(receiver) == []
    assert trigger(fan_out, sender, host, b"y") == (1, 0, CLONED)
    assert received(receiver) == [b"y"]


def test_other_packets_pass(fan_out, bind):
    sender, receiver = bind(), bind()
    fan_out.maps.arm(cookie(sender), 0, 0, 1, 1)
    sender.sendto(b"plain", receiver.getsockname())
    assert received(receiver) == [b"plain"]
    assert fan_out.maps.written() == (0, 0, NOT_SEEN)


def test_two_programs_do_not_disturb_each_other(fan_out, bind):
    other = FanOut.open()
    try:
        for program in (fan_out, other, fan_out):
            sender, receivers = bind(), [bind(), bind()]
            program.maps.arm(cookie(sender), program.maps.put(entries_of(sender, receivers, "127.0.0.1")), 0, 2, 2)
            assert trigger(program, sender, "127.0.0.1", b"x") == (2, 0, CLONED)
            assert [received(receiver) for receiver in receivers] == [[b"x"], [b"x"]]
    finally:
        other.close()


@pytest.mark.parametrize("host", HOSTS)
def test_the_first_clone_that_the_kernel_refuses_ends_the_loop(fan_out, bind, host):
    """There is no device of that number."""
    sender, receivers = bind(host), [bind(host) for _ in range(3)]
    address = socket.inet_pton(HOSTS[host], host)
    gone = pack_entry(1 << 20, address, 1, address, 2, b"")
    good = entries_of(sender, receivers, host).entries
    placed = Placed(good[:ENTRY_SIZE] + gone + good[ENTRY_SIZE:])
    fan_out.maps.arm(cookie(sender), fan_out.maps.put(placed), 0, 4, 4)
    assert trigger(fan_out, sender, host, b"x") == (1, -errno.EINVAL, CLONED)
    assert [received(receiver) for receiver in receivers] == [[b"x"], [], []]


def test_an_entry_beyond_the_map_ends_the_loop(fan_out, bind):
    sender = bind()
    fan_out.maps.arm(cookie(sender), 1 << 20, 0, 2, 2)
    assert trigger(fan_out, sender, "127.0.0.1", b"x") == (0, 0, CLONED)


def test_another_holder_of_the_maps_needs_no_program(fan_out, bind):
    """As a media worker, which inherits the descriptors."""
    sender, receiver = bind(), bind()
    control, entries = (os.dup(descriptor) for descriptor in fan_out.descriptors[:2])
    worker = FanOut(Descriptors(control, entries, fan_out.host))
    worker.maps.arm(cookie(sender), worker.maps.put(entries_of(sender, [receiver], "127.0.0.1")), 0, 1, 1)
    assert trigger(worker, sender, "127.0.0.1", b"x") == (1, 0, CLONED)
    worker.close()
    assert received(receiver) == [b"x"]


def test_nothing_stays_after_sigkill(cable: Namespaces):
    program = (
        "from tcserver.media.bpf.fan_out import FanOut\nopened = FanOut.open()\nprint('open', flush=True)\ninput()"
    )
    with cable.inside("server"):
        before = programs_at("lo")
        process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with process:
            assert process.stdout.readline() == b"open\n"
            assert programs_at("lo") == before + 1
            process.send_signal(signal.SIGKILL)
        assert programs_at("lo") == before


def test_a_program_works_without_the_rights_that_loading_it_needs():
    skip_without_bpf()
    program = """\
from tcserver.media.bpf import capabilities
from tcserver.media.bpf.fan_out import FanOut
opened = FanOut.open()
capabilities.give_up()
opened.maps.arm(1, 0, 0, 1, 1)
try:
    FanOut.open()
except OSError as error:
    print(error.strerror)
opened.close()
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told == "a BPF map: Operation not permitted (needs CAP_BPF and CAP_NET_ADMIN)\n"


def test_capabilities_are_taken_out_of_all_three_sets():
    everything = struct.pack("@IIIIII", *[0xFFFFFFFF] * 6)
    fewer = struct.unpack("@IIIIII", capabilities.without(everything, (12, 21, 39)))
    assert fewer == (0xFFDFEFFF,) * 3 + (0xFFFFFF7F,) * 3
    assert capabilities.without(bytes(24), (12, 21, 39)) == bytes(24)


def test_a_program_that_the_kernel_refuses_is_told_with_the_reason():
    skip_without_bpf()
    control = create_array("test", CONTROL.size, 1)
    try:
        program = write_program(control, control, Trigger.random(bytes(3)))  # entries are longer than that
        with pytest.raises(OSError, match=r"a BPF program: .*invalid access to map value"):
            load_program(program, "test", b"Apache-2.0")
    finally:
        os.close(control)


def test_a_trigger_is_a_random_address_of_the_loopback_device():
    assert Trigger.random(bytes(3)) == Trigger("127.1.1.1")
    assert Trigger.random(b"\xff\xfd\x03") == Trigger("127.2.254.4")


def test_an_entry_as_the_program_reads_it():
    entry = pack_entry(3, bytes((10, 0, 0, 1)), 7433, bytes((10, 0, 0, 2)), 5000, b"their2mine11")
    assert len(entry) == ENTRY_SIZE
    assert struct.unpack_from("@I", entry) == (3,)
    assert struct.unpack_from("!HH", entry, 8) == (7433, 5000)
    assert (entry[12:16], entry[28:32], entry[44:56]) == (b"\x0a\0\0\x01", b"\x0a\0\0\x02", b"their2mine11")
    (words,) = struct.unpack_from("@I", entry, 4)
    assert words == sum(struct.unpack("@4H", bytes((10, 0, 0, 1, 10, 0, 0, 2))))
    assert len(pack_entry(0, bytes(16), 1, bytes(16), 2, b"")) == ENTRY_SIZE
