"""Lines of standard input, if it is a pipe, or a terminal that edits lines by itself."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable

MAX_LINE = 1 << 16
"""Bytes of a line: more than any text may have. Without a limit a file without line ends would be kept whole."""


async def typed_lines(complain: Callable[[str], None]) -> AsyncGenerator[str]:
    """Iterate over the lines of standard input, without the line end. Complain of lines that are too long.

    If it is neither a terminal nor a pipe, there are none. Bytes that are no UTF-8 become U+FFFD.
    """
    if not _is_typed():
        return
    reader = asyncio.StreamReader(limit=MAX_LINE)
    try:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    except (ValueError, OSError, NotImplementedError):  # the loops of Windows read no pipes
        return
    try:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                complain(f"tcclient: a line has at most {MAX_LINE} bytes; nothing was sent")
                continue
            if not line:
                return
            yield line.decode(errors="replace").removesuffix("\n").removesuffix("\r")
    finally:
        transport.close()


def _is_typed() -> bool:
    """Return whether standard input is a terminal or a pipe.

    uvloop must not be given a file: it would end the process.
    """
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, ValueError, OSError):  # there is none
        return False
    return os.isatty(descriptor) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
