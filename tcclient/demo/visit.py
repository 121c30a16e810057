"""A demonstration that a person visits with a browser: a server, and participants that go on until it ends."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tcclient.demo.conductor import Progress, room_link, seat
from tcclient.demo.plan import Plan
from tcclient.demo.processes import DemoError, Participant, Server, last_words, make_accounts, run_server
from tcproto.link import parse_link

NO_PAGE = (
    "the web page is not built into this installation: install where the npm registry can be reached, "
    "or see the demonstration without --web"
)


class Invitation(NamedTuple):
    """What a visitor needs."""

    link: str
    """For a browser on this machine."""
    user: str
    password: str


async def receive_visitors(plan: Plan, invite: Callable[[Invitation], None], *, drawn: bool) -> None:
    """Hold a meeting until it is cancelled, or until all participants have left; ``invite`` is called when it is open.

    The cameras show drawn faces, or the plan's video. Raises ``DemoError``. Nothing is left at the end.
    """
    say = Progress(wanted=True)
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcdemo-")))
        say.line(f"Making {plan.participants + 1} accounts")
        accounts = await make_accounts(data, plan.participants + 1, chair=plan.participants + 1)
        user, password = accounts.popitem()
        say.line("Starting the server")
        log = data / "server.log"
        server = await stack.enter_async_context(run_server(data, log, plan.talkers + 1))
        if not server.has_page:
            raise DemoError(NO_PAGE)
        say.line(f"Seating {plan.participants} participants")
        parts = plan.parts(room_link(server.link), accounts, data)
        company = [
            replace(part, record="", turn=turn, turns=max(plan.talkers, 1), drawn=drawn)
            for turn, part in enumerate(parts)
        ]
        participants = await seat(stack, company, data)
        invite(Invitation(_on_this_machine(server.link), user, password))
        await _stay(server, log, participants, say)


def _on_this_machine(link: str) -> str:
    """Return the web link of the room for a browser on this machine, where it needs no certificate."""
    parsed = parse_link(room_link(link))
    return parsed.on_the_web(parsed.port).replace("https", "http", 1)


async def _stay(server: Server, log: Path, participants: Sequence[Participant], say: Progress) -> None:
    """Wait until all participants have left. Raises ``DemoError`` if the server ends before."""

    async def see_off(participant: Participant) -> None:
        say.line(f"{participant.part.name} has left: {await participant.end()}")

    serving = asyncio.create_task(server.process.wait())
    staying = asyncio.gather(*map(see_off, participants))
    try:
        await asyncio.wait((serving, staying), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            raise DemoError(f"the server ended early: {last_words(log).splitlines()[-1]}")
    finally:
        serving.cancel()
        staying.cancel()
        await asyncio.gather(serving, staying, return_exceptions=True)
