"""The system call ``bpf(2)``. Structures and numbers are those of ``linux/bpf.h``."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

from tcserver.media.bpf.assembler import FUNCTION_INFO_SIZE, INSTRUCTION_SIZE, Program

_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280}
"""Number of the system call, by architecture."""
_MAP_CREATE, _PROG_LOAD, _BTF_LOAD, _LINK_CREATE = 0, 5, 18, 28
_ARRAY = 2
_MMAPABLE = 1 << 10
_SCHED_CLS = 3
"""Type of programs for packets on their way out of a device."""
_TCX_EGRESS = 47
_NAME_SIZE = 16
_LOG_SIZE = 1 << 16


def create_array(name: str, value_size: int, entries: int) -> int:
    """Return the descriptor of a new array map that can be mapped into memory; raises ``OSError``."""
    return _call(
        _MAP_CREATE,
        struct.pack("@IIIIIII16s", _ARRAY, 4, value_size, entries, _MMAPABLE, 0, 0, _name(name)),
        "a BPF map",
    )


def load_program(program: Program, name: str, licence: bytes) -> int:
    """Return the descriptor of a program for the egress of a device; raises ``OSError``, with what its check found."""
    types = ctypes.create_string_buffer(program.types())
    described = _call(
        _BTF_LOAD, struct.pack("@QQIII", ctypes.addressof(types), 0, len(types) - 1, 0, 0), "types of a BPF program"
    )
    code = ctypes.create_string_buffer(program.code)
    info = ctypes.create_string_buffer(program.function_info())
    licence_text = ctypes.create_string_buffer(licence)
    log = ctypes.create_string_buffer(_LOG_SIZE)
    attributes = struct.pack(
        "@IIQQIIQII16sIIIIQI",
        *(_SCHED_CLS, len(program.code) // INSTRUCTION_SIZE, ctypes.addressof(code), ctypes.addressof(licence_text)),
        *(1, _LOG_SIZE, ctypes.addressof(log), 0, 0, _name(name), 0, _TCX_EGRESS),
        *(described, FUNCTION_INFO_SIZE, ctypes.addressof(info), len(program.functions)),
    )
    try:
        return _call(_PROG_LOAD, attributes, "a BPF program")
    except OSError as error:
        lines = log.value.decode(errors="replace").splitlines()
        if error.errno not in (errno.EINVAL, errno.EACCES) or len(lines) < 2:
            raise
        raise OSError(error.errno, f"{error.strerror}: {'; '.join(lines[-3:])}") from None
    finally:
        os.close(described)


def attach_to_egress(program: int, device: int) -> int:
    """Run a program at the egress of a device, until the descriptor that this returns is closed; raises ``OSError``.

    Linux has that since 6.6.
    """
    return _call(_LINK_CREATE, struct.pack("@IIII", program, device, _TCX_EGRESS, 0), "a BPF program at a device")


def _call(command: int, attributes: bytes, what: str) -> int:
    number = _NUMBERS.get(platform.machine())
    if sys.platform != "linux" or sys.byteorder != "little" or number is None:
        raise OSError(errno.ENOSYS, f"{what}: needs Linux on a 64-bit machine that is known here")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = ctypes.CDLL(None, use_errno=True).syscall(number, command, buffer, len(attributes))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _name(name: str) -> bytes:
    return name.encode()[: _NAME_SIZE - 1]
