"""The page in Firefox: it joins, and what a native client sends is heard and seen."""

import shutil
import time
from pathlib import Path

import pytest

from tcclient.capture import SPEECH
from tests.support.firefox import browsing
from tests.support.processes.client_process import taking_part
from tests.support.processes.world import PASSWORD, PATIENCE, Server
from tests.support.visitor import LOUDEST, TAP

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
JOIN = """(user, password, name) => {
  const type = (field, text) => (document.querySelector(`[name=${field}]`).value = text);
  type("account", user);
  type("password", password);
  type("name", name);
  document.querySelector("form").requestSubmit();
}"""
SEEN = """() => {
  const canvas = document.querySelector(".tile canvas");
  return canvas === null ? "" : canvas.toDataURL("image/jpeg", 0.5);
}"""


@pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox: `apt install firefox-esr` brings it")
def test_firefox_joins_hears_and_sees(web_server: Server, tmp_path: Path) -> None:
    assert FIREFOX is not None
    link = web_server.room("Firefox")
    sources = ("--name", "Native", "--audio", str(SPEECH), "--video", "test", "--loop")
    with browsing(FIREFOX, tmp_path / "profile") as tab, taking_part(link, tmp_path / "client", *sources):
        tab.open(link.on_the_web(link.port), TAP)
        tab.evaluate(JOIN, "kantor-1", PASSWORD, "Siti")
        until = time.monotonic() + PATIENCE
        seen: set[str] = set()
        loudest = 0.0
        while time.monotonic() < until and (len(seen) < 5 or loudest < 0.05):
            seen |= {tab.evaluate(SEEN)}
            loudest = max(loudest, tab.evaluate(LOUDEST))
            time.sleep(0.05)  # for Firefox's own work
        said = tab.evaluate("() => document.body.innerText")
    assert "Native" in said
    assert len(seen) >= 5, said
    assert 0.05 < loudest <= 1.0, said
