"""The comparison of a figure with that of an earlier run."""

import argparse
import json

import pytest

from benchmarks import __main__ as command
from benchmarks.harness.baseline import Baseline, load, plain
from benchmarks.harness.report import Bar, BenchmarkError, Cost, Report

MACHINE = {
    "machine": "a loom, 2 shuttles", "system": "S 1", "python": "P 3", "libraries": "none", "load": "0.0",
    "commit": "abc", "command": "python -m benchmarks weave",
}  # fmt: skip
OPTIONS = {"quick": True, "seconds": None, "receivers": [1, 2]}


@pytest.mark.parametrize(
    ("before", "now", "least", "verdict"),
    [
        (10.0, 10.0, False, "ok"),
        (10.0, 8.0, False, "ok"),
        (10.0, 11.9, False, "worse"),
        (10.0, 12.1, False, "REGRESSION"),
        (10.0, 12.1, True, "ok"),
        (10.0, 8.1, True, "worse"),
        (10.0, 7.9, True, "REGRESSION"),
        (0.0, 0.9, False, "worse"),
        (0.0, 1.1, False, "REGRESSION"),
        (0.0, 0.0, False, "ok"),
    ],
)
def test_a_figure_may_be_worse_by_the_tolerance(before, now, least, verdict):
    bar = Bar("speed", now, "m/s", 5.0, least)
    comparison = Baseline({"speed": before}, MACHINE).compare([bar], [], MACHINE, 0.2)
    assert comparison.text.splitlines()[-1].endswith(verdict)
    assert comparison.regressions == (verdict == "REGRESSION")


def test_nothing_may_come_where_nothing_was_and_nothing_is_allowed():
    assert Baseline({"lost": 0.0}, MACHINE).compare([Bar("lost", 1, "", 0)], [], MACHINE, 0.2).regressions == 1


@pytest.mark.parametrize(("before", "now", "regressions"), [(2.0, 2.3, 0), (2.0, 2.5, 1), (2.0, 0.1, 0), (0.0, 1.0, 0)])
def test_a_cost_has_no_limit_but_may_not_become_worse(before, now, regressions):
    comparison = Baseline({"loom": before}, MACHINE).compare([], [Cost("loom", now, "us")], MACHINE, 0.2)
    assert comparison.regressions == regressions
    assert "us" in comparison.text


def test_figures_that_are_in_one_run_only_are_no_regressions():
    baseline = Baseline({"a": 1.0, "b": 2.0, "c": 3.0}, MACHINE)
    bars = [Bar("a", 1, "", 5), Bar("b", None, "", 5), Bar("d", 9, "", 5)]
    comparison = baseline.compare(bars, [], MACHINE, 0.2)
    assert comparison.text.count("not measured now") == 2
    assert comparison.regressions == 0
    with pytest.raises(BenchmarkError, match="no figure"):
        baseline.compare(bars[1:], [], MACHINE, 0.2)


def test_what_else_differs_is_told():
    now = MACHINE | {"commit": "def"}
    text = Baseline({"a": 1.0}, MACHINE).compare([Bar("a", 1, "", 5)], [], now, 0.2).text
    assert text.splitlines()[-1] == "commit: abc in the baseline, def now"


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "stored.json"
    report = Report(bars=[Bar("a", 3.0, "s", 2), Bar("b", None, "s", 2)], costs=[Cost("c", 4.0, "us")])
    report.write_json(path, "weave", plain(OPTIONS), MACHINE)
    return path


def test_a_run_comes_back_from_its_file(stored):
    assert load(stored, "weave", OPTIONS, MACHINE).figures == {"a": 3.0, "c": 4.0}


@pytest.mark.parametrize(
    ("name", "options", "machine", "words"),
    [
        ("knit", OPTIONS, MACHINE, "another benchmark"),
        ("weave", OPTIONS | {"quick": False}, MACHINE, "other options.*--quick: given then, not given now"),
        ("weave", OPTIONS, MACHINE | {"machine": "another loom"}, "another machine"),
    ],
)
def test_what_was_measured_otherwise_is_refused(stored, name, options, machine, words):
    with pytest.raises(BenchmarkError, match=words):
        load(stored, name, options, machine)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bars": 1}', '{"bars": [{"what": 1}]}', '{"bars": []}', "\0"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "file").write_text(text)
    with pytest.raises(BenchmarkError, match="not written by --json"):
        load(tmp_path / "file", "weave", OPTIONS, MACHINE)


@pytest.fixture
def weave(monkeypatch):
    """A benchmark of the command, whose bar has a figure that the test sets."""
    figures = [1.0]

    class Module:
        """Weaves."""

        @staticmethod
        def add_options(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--threads", type=int, default=3)

        @staticmethod
        def run(options: argparse.Namespace) -> Report:
            if figures[0] < 0:
                raise KeyboardInterrupt
            if figures[0] > 1000:
                raise ZeroDivisionError
            return Report(bars=[Bar("cloth", figures[0], "m", 5.0)])

    monkeypatch.setattr(command, "BENCHMARKS", {"weave": "How fast?"})
    monkeypatch.setattr(command.importlib, "import_module", lambda name: Module)
    return figures


def test_the_command_stores_compares_and_refuses(weave, tmp_path, capsys):
    stored = str(tmp_path / "stored.json")
    assert command.main(["weave", "--json", stored]) == 0
    assert json.loads((tmp_path / "stored.json").read_text())["options"] == {"quick": False, "threads": 3}
    assert command.main(["weave", "--baseline", stored, "--json", str(tmp_path / "again.json")]) == 0
    weave[0] = 1.3
    assert command.main(["weave", "--baseline", stored]) == 1
    assert "REGRESSION" in capsys.readouterr().out
    assert command.main(["weave", "--baseline", stored, "--tolerance", "0.5"]) == 0
    assert command.main(["weave", "--baseline", stored, "--threads", "4"]) == 2
    assert command.main(["weave", "--baseline", str(tmp_path / "none")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert errors[1] == f"benchmarks: {tmp_path / 'none'}: No such file or directory"
    assert "--threads: 3 then, 4 now" in errors[0]


def test_what_cannot_be_written_is_told_first_and_a_missing_picture_changes_no_verdict(
    weave, tmp_path, capsys, monkeypatch
):
    weave[0] = -1.0  # measuring would interrupt it
    assert command.main(["weave", "--json", str(tmp_path / "none" / "x.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    monkeypatch.setattr(command, "check_plot", lambda path: None)  # matplotlib may not be there
    weave[0] = 1.0
    picture = tmp_path / "p.png"
    assert command.main(["weave", "--plot", str(picture)]) == 0
    assert "weave has nothing to draw" in capsys.readouterr().err
    assert not picture.exists()


def test_a_missed_bar_and_an_interrupt_have_their_status(weave, capsys):
    weave[0] = 6.0
    assert command.main(["weave"]) == 1
    weave[0] = -1.0
    assert command.main(["weave"]) == command.INTERRUPTED
    assert capsys.readouterr().err.endswith("benchmarks: interrupted\n")


def test_a_defect_is_not_taken_for_a_missed_bar(weave, capsys):
    weave[0] = 1001.0
    assert command.main(["weave"]) == command.DEFECT
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["-0.1", "nan", "inf", "much"])
def test_a_tolerance_is_a_share(weave, share, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["weave", "--tolerance", share])
    assert ended.value.code == 2
    assert "--tolerance" in capsys.readouterr().err
