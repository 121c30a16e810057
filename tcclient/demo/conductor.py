"""Runs a demonstration from the first account to the table of what everybody received."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tcclient.demo.plan import Part, Plan
from tcclient.demo.processes import DemoError, Participant, make_accounts, run_server
from tcclient.demo.report import Report, report_on
from tcclient.recording.folder import prepare_folder

ROOM = "demo"
AT_ONCE = 8
"""Participants that start at the same time. More would only wait for a processor while they derive their keys, and the
server disconnects a client that takes too long."""
JOIN_LIMIT = 60.0
"""Seconds until so many are seated, on a busy machine."""
END_LIMIT = 60.0
"""Seconds, in addition to the media, until everybody has finished."""
PROGRESS_INTERVAL = 1.0


async def conduct(plan: Plan, *, progress: bool = True) -> Report:
    """Run the plan. Raises ``DemoError`` if it cannot be carried out, ``RecordingError`` if nothing can be recorded."""
    prepare_folder(plan.out)
    say = Progress(progress)
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcdemo-")))
        say.line(f"Making {plan.participants} accounts")
        passwords = await make_accounts(data, plan.participants)
        say.line("Starting the server")
        server = await stack.enter_async_context(run_server(data, plan.out / "server.log", plan.talkers))
        parts = plan.parts(room_link(server.link), passwords, data)
        say.line(f"Seating {plan.participants} participants")
        participants = await seat(stack, parts, plan.out)
        say.line(f"All {plan.participants} are seated; {plan.seconds:.0f} s of media begin")
        for participant in participants:
            await participant.tell("start")
        watcher = asyncio.create_task(say.watch(participants, plan.seconds))
        try:
            await _all_reach(participants, "sent", plan.seconds + END_LIMIT)
        finally:
            watcher.cancel()
        for participant in participants:
            await participant.tell("stop")
        await _all_reach(participants, "report", END_LIMIT)
        say.end()
        return report_on([participant.report for participant in participants if participant.report is not None])


def room_link(link: str) -> str:
    """Put the room into the link that the server printed: ``tc://HOST:PORT/?fp=…``."""
    before, _, query = link.partition("?")
    return f"{before.rstrip('/')}/{ROOM}?{query}"


async def seat(stack: AsyncExitStack, parts: Sequence[Part], logs: Path) -> list[Participant]:
    """Start participants, and wait until all are seated. They end with ``stack``. Raises ``DemoError``."""
    participants: list[Participant] = []
    for first in range(0, len(parts), AT_ONCE):
        for part in parts[first : first + AT_ONCE]:
            participant = await Participant.start(part, logs / f"{part.user}.log")
            stack.push_async_callback(participant.stop)
            participants.append(participant)
        await _all_reach(participants[first:], "seated", JOIN_LIMIT)
    return participants


async def _all_reach(participants: Sequence[Participant], event: str, limit: float) -> None:
    tasks = [asyncio.create_task(participant.reach(event)) for participant in participants]
    try:
        done, waiting = await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    if waiting:
        raise DemoError(f"not everybody reached '{event}' within {limit:.0f} s")


class Progress:
    """Reports the progress on standard error; on a terminal in one line."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._terminal = sys.stderr.isatty()
        self._open = False

    def line(self, text: str) -> None:
        """Print a line."""
        self.end()
        if self._wanted:
            self._write(text + "\n")

    def update(self, text: str) -> None:
        """Print the line that changes."""
        if self._wanted:
            self._write(f"\r{text}\x1b[K" if self._terminal else text + "\n")
            self._open = self._terminal

    def end(self) -> None:
        """End the line that changes."""
        if self._open:
            self._write("\n")
            self._open = False

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end what it reports about
            sys.stderr.write(text)
            sys.stderr.flush()

    async def watch(self, participants: Sequence[Participant], seconds: float) -> None:
        """Report what participants receive, until cancelled."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL if self._terminal else 5 * PROGRESS_INTERVAL)
            news: list[dict[str, Any]] = [participant.progress for participant in participants]
            packets = sum(progress.get("packets", 0) for progress in news)
            lost = sum(progress.get("lost", 0) for progress in news)
            speaking = ", ".join(sorted({name for progress in news for name in progress.get("speaking", ())}))
            elapsed = min(loop.time() - start, seconds)
            self.update(
                f"{elapsed:3.0f} of {seconds:.0f} s | {packets:,} packets received, {lost:,} lost"
                + (f" | speaking: {speaking}" if speaking else "")
            )
