"""The unit of systemd in the operator's manual is one, and gives no more rights than it says."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documents.reader import OPERATING, blocks

UNIT = next(block for block in blocks(OPERATING, "ini") if block.startswith("[Unit]"))


def test_the_unit_waits_for_signs_of_life_and_is_hardened() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT)
    service = unit["Service"]
    assert (service["Type"], service["WatchdogSec"], service["Restart"]) == ("notify", "30", "on-failure")
    assert service["NoNewPrivileges"] == service["ProtectHome"] == service["PrivateDevices"] == "yes"
    assert service["ProtectSystem"] == "strict"
    ambient = {
        right
        for block in blocks(OPERATING, "ini")
        for line in block.splitlines()
        if line.startswith("AmbientCapabilities=")
        for right in line.partition("=")[2].split()
    }
    assert ambient == set(service["CapabilityBoundingSet"].split()), "what the manual gives can be given"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    file = tmp_path / "tcserver.service"
    file.write_text(UNIT.replace("/opt/tcserver/bin/tcserver", "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
