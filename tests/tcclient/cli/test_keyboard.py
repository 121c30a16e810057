"""Typed lines whose effect only the user hears."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tcclient.cli.keyboard import Keyboard
from tests.tcclient.cli.test_output import somebody


class Output:
    """Keeps what is said and refused."""

    def __init__(self, lines: list[str]) -> None:
        self.said: list[str] = []
        self.problems: list[str] = []
        self.notices: list[str] = []
        self.console = SimpleNamespace(lines=lambda: self._lines(lines), give_back=self._given_back)
        self.given_back: list[str] = []

    async def _lines(self, lines: list[str]) -> AsyncIterator[str]:
        for line in lines:
            yield line

    def _given_back(self, line: str) -> None:
        self.given_back.append(line)

    def say(self, name: str, text: str, **fields: Any) -> None:
        self.said.append(text)

    def problem(self, text: str, code: object = None, line: str | None = None) -> None:
        self.problems.append(text)

    def typed(self, line: str) -> None:
        pass

    def refresh(self) -> None:
        pass


def typed(*lines: str) -> tuple[Any, Any, Output]:
    """Type lines in a room with Sri (ourselves) and Budi. Return Sri, Budi and the output."""
    me, other = somebody(1, "Sri", me=True), somebody(2, "Budi Tua")
    output: Any = Output(list(lines))

    async def notice(text: str) -> None:
        output.notices.append(text)

    room: Any = SimpleNamespace(everybody=[me, other], me=me, notice=notice)
    asyncio.run(Keyboard(room, list, output, lambda: None, lambda source, device: None).obey())
    return me, other, output


@pytest.mark.parametrize(
    ("line", "volume"),
    [
        ("/volume kantor-2 50", 0.5),
        ("/volume budi 0", 0.0),
        ("/volume Kantor / Budi Tua 200", 2.0),
        ("  /volume  budi tua  100 ", 1.0),
    ],
)
def test_somebody_is_played_as_loud_as_was_typed(line: str, volume: float) -> None:
    me, other, output = typed("/volume budi 70", line)
    assert (other.volume, me.volume) == (volume, 1.0)
    assert output.said[-1] == f"Kantor / Budi Tua is played at {round(volume * 100)} %"
    assert not output.problems


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("/volume", "/volume takes WHO and a percentage: 0 to 200"),
        ("/volume budi", "/volume takes WHO"),
        ("/volume budi 201", "/volume takes WHO"),
        ("/volume budi -1", "/volume takes WHO"),
        ("/volume budi 1.5", "/volume takes WHO"),
        ("/volume 50", "'' is nobody here"),
        ("/volume nobody 50", "'nobody' is nobody here"),
        ("/volume sri 50", "sri is you"),
        ("/priority", "'' is nobody here"),
        ("/priority sri", "sri is you"),
    ],
)
def test_a_line_that_names_nobody_or_no_percentage_changes_nothing(line: str, text: str) -> None:
    me, other, output = typed(line)
    assert (me.volume, other.volume, me.priority, other.priority) == (1.0, 1.0, False, False)
    (problem,) = output.problems
    assert problem.startswith(text)
    assert output.given_back == [line]


def test_priority_is_given_and_taken_back() -> None:
    _, other, output = typed("/priority budi")
    assert other.priority
    _, other, output = typed("/priority budi", "/priority kantor-2")
    assert not other.priority
    assert output.said == [
        "the others are lowered while Kantor / Budi Tua talks",
        "nobody is lowered any more while Kantor / Budi Tua talks",
    ]


def test_a_notice_goes_to_everybody_on_the_server_as_it_was_typed() -> None:
    _, _, output = typed("/notice  the hall closes  at five", "/notice", "/notice a\x07b")
    assert output.notices == ["the hall closes  at five"]
    assert output.said == ["everybody on the server was told: the hall closes  at five"]
    assert [problem.partition(" (")[0] for problem in output.problems] == [
        "/notice takes a text",
        "a text has no control characters",
    ]
