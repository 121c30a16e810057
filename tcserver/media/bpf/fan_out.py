"""The program of one process in the kernel, with its maps: it is there as long as a process has it open."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import socket
from collections.abc import Sequence
from typing import NamedTuple

from tcserver.media.bpf.kernel import attach_to_egress, create_array, load_program
from tcserver.media.bpf.maps import Maps
from tcserver.media.bpf.program import CONTROL, ENTRY_SIZE, LICENCE, MAX_ENTRIES, TRIGGER_CHANCE, Trigger, write_program

_NAME = "tc_fan_out"
_DEVICE = "lo"


class Descriptors(NamedTuple):
    """What another process needs to use a program: descriptors of the maps, which it inherits, and the trigger."""

    control: int
    entries: int
    host: str


class FanOut:
    """A program at the egress of the loopback device. Its link is closed with the process, also after SIGKILL.

    ``open`` needs CAP_BPF and CAP_NET_ADMIN. Nothing needs them afterwards.
    """

    def __init__(self, descriptors: Descriptors, others: Sequence[int] = ()) -> None:
        """Take maps that are open; raises ``OSError``. ``others`` are closed with them."""
        self.descriptors = descriptors
        self.host = descriptors.host
        """Where triggers of IPv4 go; those of IPv6 go to ::1."""
        self._descriptors = [*others, descriptors.control, descriptors.entries]
        self._memory: list[mmap.mmap] = []
        for descriptor, size in ((descriptors.control, CONTROL.size), (descriptors.entries, ENTRY_SIZE * MAX_ENTRIES)):
            self._memory.append(mmap.mmap(descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE))
        control, entries = self._memory
        self.maps = Maps(memoryview(control), memoryview(entries))

    @classmethod
    def open(cls) -> FanOut:
        """Load a program and attach it; raises ``OSError`` where the kernel or the rights do not allow it."""
        try:
            return cls._open()
        except OSError as error:
            rights = error.errno in (errno.EPERM, errno.EACCES)
            need = "CAP_BPF and CAP_NET_ADMIN" if rights else "Linux 6.6 or later, with BPF"
            raise OSError(error.errno, f"{error.strerror} (needs {need})") from None

    @classmethod
    def _open(cls) -> FanOut:
        trigger = Trigger.random(os.urandom(TRIGGER_CHANCE))
        with contextlib.ExitStack() as opened:

            def owned(descriptor: int) -> int:
                opened.callback(os.close, descriptor)
                return descriptor

            control = owned(create_array(_NAME, CONTROL.size, 1))
            entries = owned(create_array(_NAME, ENTRY_SIZE, MAX_ENTRIES))
            program = owned(load_program(write_program(control, entries, trigger), _NAME, LICENCE))
            link = owned(attach_to_egress(program, socket.if_nametoindex(_DEVICE)))
            fan_out = cls(Descriptors(control, entries, trigger.host), (link, program))
            opened.pop_all()
        return fan_out

    def close(self) -> None:
        """Take the program away; may be called again."""
        self.maps.release()
        for memory in self._memory:
            memory.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._memory.clear()
        self._descriptors.clear()
