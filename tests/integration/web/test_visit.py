"""A visited demonstration comes to its end by itself."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tcclient import connect
from tcclient.capture import CLIP, SPEECH
from tcclient.demo.plan import Plan
from tcclient.demo.processes import DemoError
from tcclient.demo.visit import Invitation, receive_visitors
from tests.support.processes.world import PATIENCE, children, until

pytestmark = pytest.mark.usefixtures("measured", "page_files")


@pytest.fixture(autouse=True)
def others() -> Iterator[set[int]]:
    """The processes that were there before the test. No other may be left by it."""
    before = set(children(os.getpid()))
    yield before
    assert set(children(os.getpid())) == before


def server(others: set[int]) -> int:
    """The process of the server that the test has started."""
    started = set(children(os.getpid())) - others
    (found,) = (child for child in started if b"tcserver" in Path(f"/proc/{child}/cmdline").read_bytes())
    return found


async def visit(place: Path, act: Callable[[Invitation], Awaitable[None]]) -> None:
    """Act as a visitor of a meeting with one participant, and wait for its end."""
    plan = Plan(1, 1, 1, SPEECH, CLIP, 0.0, False, place)
    invited: asyncio.Future[Invitation] = asyncio.get_running_loop().create_future()
    visited = asyncio.create_task(receive_visitors(plan, invited.set_result, drawn=False))
    await asyncio.wait((visited, invited), return_when=asyncio.FIRST_COMPLETED)
    if invited.done():
        await act(invited.result())
    async with asyncio.timeout(PATIENCE):
        await visited


def test_the_visitor_closes_the_meeting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def close(invitation: Invitation) -> None:
        link = invitation.link.replace("http", "tc", 1).replace("#", "?")
        asked = connect(
            link, user=invitation.user, password=invitation.password, name="Visitor", data=tmp_path / "data"
        )
        async with asked as room:
            await until(lambda: len(room.tracks) == 2, "sound and pictures of the participant")
            await room.end_meeting()

    asyncio.run(visit(tmp_path, close))
    assert capsys.readouterr().err.splitlines()[-1].startswith("Participant 1 has left: ")
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_a_server_that_ends_before_the_visit_is_told(others: set[int], tmp_path: Path) -> None:
    async def kill(invitation: Invitation) -> None:
        os.kill(server(others), signal.SIGKILL)

    with pytest.raises(DemoError, match=r"^the server ended early: "):
        asyncio.run(visit(tmp_path, kill))
