"""The process of a server: its limits, its signals, and what it prints, around the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from tcserver.config.configuration import ConfigurationError
from tcserver.config.sections import Configuration
from tcserver.daemon.daemon import Daemon
from tcserver.daemon.supervisor import Supervisor
from tcserver.media.bpf import capabilities
from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.opening import FAN_OUT, open_fan_outs
from tcserver.monitoring import garbage, logs
from tcserver.monitoring.background_writer import BackgroundWriter
from tcserver.storage.data_directory import DataDirectory

LAST_LINES_LIMIT = 0.5
"""Seconds for the last lines of announcement and log to leave. Their reader may be slow, or gone."""
_log = logging.getLogger(__name__)


def run(configuration: Configuration, reload: Callable[[], Configuration], *, until_eof: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status. With ``until_eof`` the end of standard input ends it, too.

    Raises ``StoreError``, ``OSError`` or ``ConfigurationError`` at the start.
    """
    logs.configure(configuration.log.level, configuration.log.format)
    try:
        return _run(configuration, reload, until_eof)
    finally:
        logs.output.drain(LAST_LINES_LIMIT)


def _run(configuration: Configuration, reload: Callable[[], Configuration], until_eof: bool) -> int:
    directory = DataDirectory.of(configuration, os.environ)
    directory.make()
    with directory.lock():
        if sys.platform == "win32":
            return asyncio.run(_serve(configuration, reload, directory, until_eof))
        import resource

        import uvloop

        # As many connections and sockets as the machine allows; by default a process begins with 1,024.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        with contextlib.ExitStack() as stack:
            fan_outs = [stack.enter_context(contextlib.closing(fan_out)) for fan_out in _open_fan_outs(configuration)]
            return uvloop.run(_serve(configuration, reload, directory, until_eof, fan_outs))


def _open_fan_outs(configuration: Configuration) -> list[FanOut]:
    """Open what needs rights, and then give these up. No other thread may run yet: each has rights of its own."""
    if configuration.media.sender != FAN_OUT:
        return []
    failure = ""
    try:
        opened = open_fan_outs(configuration)
    except OSError as error:
        opened, failure = [], error.strerror or str(error)
    capabilities.give_up()
    if failure:
        _log.warning("media.sender: the kernel cannot make the copies, datagrams are sent as with auto: %s", failure)
    return opened


async def _serve(
    configuration: Configuration,
    reload: Callable[[], Configuration],
    directory: DataDirectory,
    until_eof: bool,
    fan_outs: Sequence[FanOut] = (),
) -> int:
    daemon = Daemon(configuration, directory, fan_outs, lambda: end())
    supervisor = Supervisor(os.environ)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    announcement = BackgroundWriter(1 if sys.__stdout__ is not None else -1)

    def end() -> None:
        """Begin the shutdown. A second signal ends the process at once."""
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload, reload)
    if until_eof:
        _await_eof(loop, stop)
    await daemon.start()
    garbage.configure()
    try:
        for line in daemon.announcement():
            announcement.write(f"{line}\n")
        supervisor.started()
        await stop.wait()
    finally:
        supervisor.stopping()
        await daemon.stop()
        announcement.drain(LAST_LINES_LIMIT)
    return 0


def _await_eof(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Set ``ended`` when the other end of standard input is closed."""
    descriptor = sys.stdin.fileno()

    def look() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            ended.set()

    try:
        loop.add_reader(descriptor, look)
    except OSError:
        raise ConfigurationError("--until-eof: standard input is no pipe") from None
