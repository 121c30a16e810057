import pytest

from tcclient.cli.commands import COMMANDS, Unknown, find, help_lines, parse, text_of


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("halo", None),
        ("", None),
        (" halo /mute", None),
        ("//mute", None),
        ("  //x", None),
        ("/mute", ("/mute", "")),
        ("  /mute  ", ("/mute", "")),
        ("/msg ketua  apa\tkabar ", ("/msg", "ketua  apa\tkabar ")),
        ("/msg\tketua x", ("/msg", "ketua x")),
        ("/msg mi\u200cx \u200dy", ("/msg", "mi\u200cx \u200dy")),
        ("/title satu\ndua", ("/title", "satu\ndua")),
    ],
)
def test_what_is_typed(line: str, parsed: tuple[str, str] | None) -> None:
    assert parse(line) == parsed


@pytest.mark.parametrize("line", ["/bogus", "/", "/ mute", "/MUTE", "/mut", "/mutex y", "  /x"])
def test_what_is_no_command_is_named_and_no_text(line: str) -> None:
    with pytest.raises(Unknown, match=r"is no command; nothing was sent.* /mute ") as caught:
        parse(line)
    assert str(caught.value).startswith(line.split()[0])


@pytest.mark.parametrize(
    ("line", "text"), [("halo //x", "halo //x"), ("//x //y", "/x //y"), (" //x", " /x"), ("\tx ", "\tx ")]
)
def test_a_text_is_not_changed_but_for_the_slash_that_marks_it(line: str, text: str) -> None:
    assert text_of(line) == text


def test_help_tells_every_command_in_short_and_each_in_full() -> None:
    lines = help_lines()
    assert len(lines) == len(COMMANDS) == len({command.name for command in COMMANDS})
    assert max(map(len, lines)) < 80
    for command, line in zip(COMMANDS, lines, strict=True):
        assert line.startswith(command.usage)
        assert command.short in line
        usage, full = help_lines(command.name)
        assert help_lines(command.name[1:]) == [usage, full]
        assert usage.startswith(command.usage)
        assert full == command.full
        assert full.endswith(".")
        assert parse(command.name) == (command.name, "")
    with pytest.raises(Unknown):
        help_lines("bogus")
    assert find("mute") is find("/mute")
