import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, MISSING, NOTHING_TO_DRAW, main
from benchmarks.harness import report as report_module
from benchmarks.harness.report import Bar, BarChart, BenchmarkError, Plot, Report, Table, check_writable

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {"machine": "a loom", "command": "python -m benchmarks weave"}


def test_a_table_aligns_words_to_the_left_and_numbers_to_the_right():
    table = Table("Cloth", ("name", "threads", "width m"), [("linen", 1200, 1.5), ("silk", 80000, None)])
    assert table.text().splitlines() == [
        "Cloth",
        "name   threads  width m",
        "-----  -------  -------",
        "linen    1,200     1.50",
        "silk    80,000        -",
    ]


@pytest.mark.parametrize(
    ("measured", "least", "passed"),
    [(5.0, False, True), (5.1, False, False), (5.0, True, True), (4.9, True, False), (None, False, None)],
)
def test_a_bar_is_reached_at_its_limit(measured, least, passed):
    assert Bar("speed", measured, "m/s", 5.0, least).passed is passed


def test_a_report_passes_unless_a_bar_is_missed():
    good, unknown, bad = Bar("a", 1, "", 1), Bar("b", None, "", 1, note="no loom"), Bar("c", 2, "", 1)
    assert Report(bars=[good, unknown]).passed
    assert not Report(bars=[good, bad]).passed
    text = Report(bars=[good, unknown, bad]).text(MACHINE)
    assert "not measured  no loom" in text
    assert "FAIL" in text
    assert "command  python -m benchmarks weave" in text


def test_the_json_has_everything(tmp_path):
    report = Report([Table("t", ("x",), [(1,)])], [Bar("b", 3.0, "s", 2)], figures={"raw": [1, 2]})
    report.write_json(tmp_path / "r.json", "weave", {"quick": True}, MACHINE)
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["benchmark"] == "weave"
    assert found["machine"] == "a loom"
    assert found["bars"][0]["passed"] is False
    assert found["tables"] == [{"title": "t", "columns": ["x"], "rows": [[1]]}]
    assert found["figures"] == {"raw": [1, 2]}


def test_lines_and_bars_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib, which the extra bench brings")
    lines = {"warp": [(1.0, 2.0), (10.0, 20.0)], "weft": []}
    plots = [
        Plot("Speed", "threads", "m/s", lines),
        Plot("Speed", "threads", "m/s", lines, log_x=True, log_y=True),
        BarChart("Looms", "m/s", {"old": [1.0, 3.0, 2.0], "new": [5.0]}),
    ]
    path = tmp_path / "looms.svg"
    Report(plots=plots).write_plot(path)
    assert path.read_text().startswith("<?xml")
    with pytest.raises(BenchmarkError, match="not supported"):
        Report(plots=plots).write_plot(tmp_path / "looms.cloth")


def test_where_nothing_can_be_written_nothing_is_measured(tmp_path, monkeypatch):
    check_writable(tmp_path / "new.json")
    (tmp_path / "old.json").touch()
    check_writable(tmp_path / "old.json")
    with pytest.raises(BenchmarkError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(BenchmarkError, match="there is no folder"):
        check_writable(tmp_path / "none" / "new.json")
    monkeypatch.setattr(report_module.os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(BenchmarkError, match="may not be written"):
        check_writable(tmp_path / "new.json")


def test_help_lists_all_benchmarks(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in BENCHMARKS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("fanout --seconds -3", "--seconds -3: more than 0"),
        ("fanout --repeats 0", "--repeats 0: more than 0"),
        ("peers --receivers 0", "--receivers 0: more than 0"),
        ("latency --seconds nan", "--seconds nan: more than 0"),
        ("join --rooms -1", "--rooms -1: more than 0"),
        ("memory --cycles -5", "--cycles -5: more than 0"),
        ("capacity --seconds x", "--seconds x: not a number"),
        ("ablation --rooms 1.5", "--rooms 1.5: not a whole number"),
        ("client --seconds 0", "--seconds 0: more than 0"),
        ("room --cameras -1", "--cameras -1: less than 0"),
        ("meeting --rotate -1", "--rotate -1: more than 0"),
        ("meeting --listeners 0", "--listeners 0: more than 0"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_option(arguments, told, capsys):
    name, *_ = arguments.split()
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"python -m benchmarks {name}: {told}\n"


def test_a_recording_that_is_not_there_is_told_first(capsys):
    assert main(["speakers", "--speech", "/nofile"]) == 2
    assert capsys.readouterr().err == "benchmarks: --speech /nofile: No such file or directory\n"


def test_a_picture_that_cannot_be_drawn_is_told_first(capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib, which the extra bench brings")
    assert main(["fanout", "--plot", str(tmp_path / "x.cloth")]) == 2
    assert "x.cloth: the name has to end in one of " in capsys.readouterr().err


@pytest.mark.parametrize("name", BENCHMARKS)
def test_who_has_nothing_to_draw_says_so_first(name, capsys):
    module = importlib.import_module(f"benchmarks.commands.{name}")
    assert (name in NOTHING_TO_DRAW) == (not hasattr(module, "Plot") and not hasattr(module, "BarChart"))
    if name in NOTHING_TO_DRAW:
        assert main([name, "--plot", "x.svg"]) == 2
        assert capsys.readouterr().err == f"benchmarks: --plot x.svg: {name} has nothing to draw\n"


@pytest.mark.parametrize("name", ["client", "quality", "speakers"])
def test_without_a_package_it_says_what_to_install(name):
    program = (
        "import sys; sys.modules.update(av=None, numpy=None); from benchmarks.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == MISSING
    assert done.stderr.count("\n") == 1
    assert "pip install -e '.[bench]'" in done.stderr


def test_the_others_do_without_it():
    program = (
        "import sys; sys.modules.update(av=None, numpy=None, matplotlib=None); from benchmarks.__main__ import main;"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "fanout", "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_not_there_is_one_clear_line(capsys, tmp_path):
    assert main(["quality", "--audio", str(tmp_path / "none.wav")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("benchmarks: ")
    assert len(error.splitlines()) == 1
