"""The options of ``tcclient demo``."""

import pytest

from tcclient.cli.demo import shows_windows
from tcclient.cli.main import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--web --seconds 5", "--seconds does not go with --web: the meeting goes on, and nothing is recorded"),
        ("--web --out there", "--out does not go with --web: the meeting goes on, and nothing is recorded"),
        ("--web --json", "--json does not go with --web: the meeting goes on, and nothing is recorded"),
        ("--no-browser", "--no-browser goes with --web"),
        ("--web --participants 0", "--participants is 1 to 100"),
        ("--participants 1", "--participants is 2 to 100"),
    ],
)
def test_options_that_do_not_fit(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *options.split()]) == 2
    assert capsys.readouterr().err == f"tcclient: {message}\n"


def test_a_browser_is_opened_only_where_it_can_be_shown() -> None:
    assert not shows_windows({"TERM": "xterm", "DISPLAY": ""}, "linux")
    assert shows_windows({"DISPLAY": ":0"}, "linux")
    assert shows_windows({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert shows_windows({"BROWSER": "firefox"}, "linux")
    assert shows_windows({}, "darwin")
