"""Standard input, output and error. Cron jobs and supervisors may have closed them."""

from __future__ import annotations

import errno
import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""Names and modes, in the order of the descriptors."""
_NO_DISK = (errno.EINVAL, errno.ENOTSUP, errno.EROFS, None)
"""Errors of ``fsync`` on a pipe, on a terminal, and on anything else that is no file."""


def occupy() -> None:
    """Open the null device for each closed one, for this process and the processes that it starts.

    Otherwise a socket or a file gets the number of a standard file, and prints go into it. libuv ends the process if
    it has to close such a descriptor.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened == descriptor:
                os.set_inheritable(descriptor, True)
            else:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115


def print_data(text: str) -> None:
    """Print text for other programs: in UTF-8 in every locale. If it goes to a file, it is on disk afterwards.

    Raises ``OSError`` if that fails.
    """
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
        sys.stdout.flush()
        os.fsync(sys.stdout.fileno())
    except OSError as error:
        if error.errno not in _NO_DISK:
            raise OSError(error.errno, error.strerror, "standard output") from None


def give_up_output() -> None:
    """Drop what was printed and cannot be written.

    The interpreter would try it again, complain in words of its own, and end with a status of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def read_data(size: int, *, line: bool = False) -> bytes:
    """Return at most ``size`` bytes of standard input, or of its first line. Raises ``OSError``, which names it."""
    try:
        return sys.stdin.buffer.readline(size) if line else sys.stdin.buffer.read(size)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), "standard input") from error
