import pytest

from tcclient.cli.main import main

JOIN = "join tc://127.0.0.1:1/r --user a --password-stdin"


@pytest.mark.parametrize(
    "command",
    [
        *(f"{JOIN} {option}" for option in ("--record", "--audio", "--video", "--screen", "--screen-audio", "--data")),
        *(f"demo {option}" for option in ("--audio", "--video", "--out")),
        "forget 127.0.0.1 --data",
    ],
)
def test_an_empty_name_is_a_mistake_and_no_wish_for_nothing(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), ""]) == 2
    assert f"argument {command.split()[-1]}: the name is empty" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "-inf", "-nan"])
@pytest.mark.parametrize("command", [JOIN, "demo"])
def test_a_time_that_is_none(command: str, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), f"--seconds={seconds}"]) == 2
    assert "--seconds is " in capsys.readouterr().err
