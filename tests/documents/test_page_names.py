"""The names of the controls of the page. People are told them, and screen readers, scripts and tests find them."""

import json

import pytest

from tests.documents.reader import ROOT, text_of

PAGE = ROOT / "tcclient" / "web" / "src" / "page"
ENGLISH = json.loads(text_of(PAGE / "catalogues" / "en.json"))
NAMES = {
    "lobby.ts": {
        '"lobby.user_name"': "User name",
        '"lobby.password"': "Password",
        '"lobby.your_name"': "Your name",
        '"lobby.room"': "Room",
        '"lobby.test_sound"': "Test sound",
        '"lobby.join"': "Join",
        'devicePicker(view, "microphone")': "Microphone",
        'devicePicker(view, "camera")': "Camera",
        'devicePicker(view, "speaker")': "Speaker",
    },
    "bar.ts": {
        '"bar.mute"': "Mute",
        '"bar.unmute"': "Unmute",
        '"bar.stop_camera"': "Stop camera",
        '"bar.start_camera"': "Start camera",
        '"bar.share_screen"': "Share screen",
        '"bar.raise_hand"': "Raise hand",
        '"bar.chat"': "Chat",
        '"bar.people"': "People",
        '"bar.settings"': "Settings",
        '"bar.leave"': "Leave",
    },
    "settings.ts": {'"settings.change_password"': "Change password"},
}
"""By the file of the control: how it names its sentence, and the sentence in English."""


@pytest.mark.parametrize("file", NAMES)
def test_controls_have_the_names_that_people_are_told(file: str) -> None:
    source = text_of(PAGE / file)
    for use, name in NAMES[file].items():
        assert use in source
        (word,) = [part for part in use.split('"') if part.isidentifier() or "." in part]
        assert ENGLISH[word if "." in word else f"device.{word}"] == name


def test_a_picker_of_devices_is_named_after_its_kind() -> None:
    assert "t(`device.${kind}`)" in text_of(PAGE / "settings.ts")
