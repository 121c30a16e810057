"""The numbers of the page are those of the modules in Python that its files mirror."""

import importlib.util
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tcclient.web.conftest import WEB

SOURCES = WEB / "src"
PACKAGES = {"protocol": "tcproto", "core": "tcclient.core"}
CONSTANT = re.compile(r"^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: \w+)? =\s+([^;]+?)(?: as const)?;", re.MULTILINE)
ARITHMETIC = re.compile(r"[\w\s.+*/()\[\],-]+")
JAVASCRIPT = {"Infinity": math.inf, "Math": SimpleNamespace(floor=math.floor)}
OF_THE_PAGE = {"bytes", "msgpack", "sodium"}
"""Files that mirror no module."""


def mirrored() -> list[tuple[Path, str]]:
    """Files of the page, and the modules that they mirror."""
    found = []
    for folder, package in PACKAGES.items():
        for path in sorted((SOURCES / folder).rglob("*.ts")):
            steps = path.relative_to(SOURCES / folder).with_suffix("").parts
            module = ".".join((package, *(step.replace("-", "_") for step in steps)))
            if importlib.util.find_spec(module) is not None:
                found.append((path, module))
    return found


MIRRORED = mirrored()


def constants(path: Path, module: str) -> dict[str, tuple[object, object]]:
    """The constants that both have: as the page has them, and as the module has them."""
    python = vars(importlib.import_module(module))
    found = {}
    for name, expression in CONSTANT.findall(path.read_text(encoding="utf-8")):
        theirs = python.get(name, python.get(f"_{name}"))
        if isinstance(theirs, int | float | tuple) and ARITHMETIC.fullmatch(expression):
            ours = eval(expression, {"__builtins__": {}}, {**python, **JAVASCRIPT})
            found[name] = (tuple(ours) if isinstance(ours, list) else ours, theirs)
    return found


@pytest.mark.parametrize(("path", "module"), MIRRORED, ids=[module for _, module in MIRRORED])
def test_a_constant_has_the_value_that_it_has_in_python(path: Path, module: str) -> None:
    found = constants(path, module)
    assert {name: ours for name, (ours, _) in found.items()} == {name: theirs for name, (_, theirs) in found.items()}


def test_most_files_mirror_a_module_and_many_constants_are_compared() -> None:
    files = [path for folder in PACKAGES for path in (SOURCES / folder).rglob("*.ts")]
    others = {path.stem for path in files} - {path.stem for path, _ in MIRRORED}
    assert others - OF_THE_PAGE <= {"key-messages", "publishing", "signing", "verbs"}
    assert sum(len(constants(path, module)) for path, module in MIRRORED) > 100
