import json

import pytest

from tcclient.capture import devices
from tcclient.capture.devices import SoundDevice
from tcclient.cli.main import main
from tcclient.errors import DeviceError


@pytest.fixture(autouse=True)
def cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "list_cameras", lambda: ["/dev/video0"])


def test_devices_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = [SoundDevice("Headset\x1b[2J", 1, 2), SoundDevice("HDMI", 0, 8)]
    monkeypatch.setattr(devices, "list_sound_devices", lambda: found)
    assert main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "microphones:",
        "  Headset?[2J",
        "loudspeakers:",
        "  Headset?[2J",
        "  HDMI",
        "cameras:",
        "  /dev/video0",
    ]
    assert main(["devices", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["microphones"], told["cameras"], told["problem"]) == (["Headset\x1b[2J"], ["/dev/video0"], None)


def test_a_missing_library_is_told_and_cameras_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> list[SoundDevice]:
        raise DeviceError("sound needs the PortAudio library: apt install libportaudio2")

    monkeypatch.setattr(devices, "list_sound_devices", missing)
    assert main(["devices"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["microphones: none found", "loudspeakers: none found", "cameras:", "  /dev/video0"]
    assert err == "tcclient: sound needs the PortAudio library: apt install libportaudio2\n"
    assert main(["devices", "--json"]) == 1
    assert "PortAudio" in json.loads(capsys.readouterr().out)["problem"]
