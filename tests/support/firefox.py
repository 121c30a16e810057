"""Firefox without a window, through WebDriver BiDi, which it speaks by itself on a WebSocket.

https://www.w3.org/TR/webdriver-bidi/
"""

import contextlib
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.processes.world import PATIENCE

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.cubeb.force_mock_context": True,
}
"""Devices that are made up, a loudspeaker among them, and no questions about them; sound without a click."""
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
"""What Firefox writes when it can be driven."""


class Tab:
    """A tab of Firefox."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        self._context = self.command("browsingContext.create", type="tab")["context"]

    def command(self, method: str, **parameters: object) -> Any:
        """Return the result of a command."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(PATIENCE))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, address: str, *scripts: str) -> None:
        """Open a page, with scripts that run before those of the page."""
        for script in scripts:
            self.command("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")
        self.command("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def evaluate(self, function: str, *values: object) -> Any:
        """Return what a function in JavaScript returns for these values, both as JSON, as if a person had clicked."""
        target = {"context": self._context}
        script = f"(async () => JSON.stringify(await ({function})(...{json.dumps(values)})))()"
        answer = self.command(
            "script.evaluate", expression=script, target=target, awaitPromise=True, userActivation=True
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"].get("value", "null"))


@contextlib.contextmanager
def browsing(program: str, profile: Path) -> Iterator[Tab]:
    """Run Firefox with a new profile."""
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next(match for line in process.stderr if (match := LISTENING.search(line)))
            with connect(f"{found[1]}/session", max_size=None, compression=None) as connection:
                yield Tab(connection)
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)
