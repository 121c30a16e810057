"""The vectors that are decisions: what a second receiver takes and refuses, which shares no code with tcproto.

That the files hold what tcproto decides, ``test_vectors`` tests.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tcproto import second_receiver
from tests.vectors import make

FILES = {
    name: json.loads((make.DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("refusals", "windows", "generations", "stream")
}


def both(outcomes: list[bool]) -> bool:
    return set(outcomes) == {False, True}


@pytest.mark.parametrize("vector", FILES["refusals"]["messages"], ids=lambda vector: vector["name"])
def test_message(vector: dict[str, Any]) -> None:
    assert second_receiver.takes(bytes.fromhex(vector["bytes"])) is vector["taken"]


@pytest.mark.parametrize("vector", FILES["windows"]["windows"], ids=lambda vector: vector["name"])
def test_window(vector: dict[str, Any]) -> None:
    window = second_receiver.Window(vector["size"], vector["lowest"], vector["confirmed"])
    outcomes = []
    for step in vector["steps"]:
        if "position" in step:
            window.position(step["position"])
            continue
        outcomes.append(window.accepts(step["counter"]))
        assert outcomes[-1] is step["accepted"], step
        if step["accepted"]:
            window.commit(step["counter"])
    assert both(outcomes)


@pytest.mark.parametrize("vector", FILES["stream"]["messages"], ids=lambda vector: vector["name"])
def test_stream_message(vector: dict[str, Any]) -> None:
    message = bytes.fromhex(vector["message"])
    told = second_receiver.stream_message(message)
    if "close" in vector:
        assert told == vector["close"]
    else:
        assert told == (vector["kind"], bytes.fromhex(vector["rest"]))
        assert second_receiver.unframed(bytes.fromhex(vector["frame"])) == message


def test_generations() -> None:
    told = FILES["generations"]
    receiver = second_receiver.Receiver(bytes.fromhex(told["life"]), tuple(told["publication"]))
    outcomes = []
    for step in told["steps"]:
        if "box" in step:
            box = step["box"]
            accepted = receiver.box(
                step["at"], box["number"], box["generation"], bytes.fromhex(box["key"]), box["first"]
            )
            assert accepted is step["accepted"], step
        else:
            outcomes.append(receiver.opens(step["at"], bytes.fromhex(step["packet"])))
            assert outcomes[-1] is step["opens"], step
    assert both(outcomes)
    assert both([vector["taken"] for vector in FILES["refusals"]["messages"]])
