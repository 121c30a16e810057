import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tcclient.capture.devices import Camera, Loudspeaker, Microphone, list_cameras, list_sound_devices
from tcclient.errors import DeviceError

NO_SOUND_LIBRARY = importlib.util.find_spec("sounddevice") is None


@pytest.mark.skipif(not NO_SOUND_LIBRARY, reason="sounddevice is installed here")
@pytest.mark.parametrize("what", [Microphone, Loudspeaker, list_sound_devices])
def test_without_sounddevice_the_error_says_what_to_install(what: type) -> None:
    with pytest.raises(DeviceError) as caught:
        what()
    assert str(caught.value) == "sound needs the package sounddevice: pip install 'teleconference[devices]'"


@pytest.mark.skipif(NO_SOUND_LIBRARY, reason="sounddevice is not installed here")
@pytest.mark.parametrize("what", [Microphone, Loudspeaker])
def test_a_sound_device_that_is_not_there_is_an_error_of_one_line(what: type) -> None:
    with pytest.raises(DeviceError) as caught:
        what("no such device")
    assert "\n" not in str(caught.value)


def test_importing_the_module_loads_no_sound_library() -> None:
    code = "import sys, tcclient.capture.devices; sys.exit('sounddevice' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="cameras have paths only on Linux")
def test_a_camera_that_is_not_there_is_an_error_of_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = tmp_path / "no\ncamera"
    with pytest.raises(DeviceError) as caught:
        Camera(str(name))
    assert str(caught.value) == f"cannot open the camera {tmp_path}/no?camera: No such file or directory"
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="cameras have paths only on Linux")
def test_what_is_no_camera_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(DeviceError, match="cannot open the camera"):
        Camera(str(path))


def test_cameras_are_listed_by_path() -> None:
    assert all(Path(name).exists() for name in list_cameras())
