"""Fixtures for all tests."""

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: there are no deadlines.
settings.register_profile("usual", deadline=None, max_examples=40)
settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("long", deadline=None, max_examples=500)
settings.load_profile("usual")

TESTS = Path(__file__).parent
WHOLE = ("benchmarks", "documents", "integration", "scenarios")
"""Folders with tests of the whole. Of these, and of the files beside them, which read sources, only tests with the
fixture ``measured`` are counted."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Keep ten thousand tests out of each garbage collection, while they are made and later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out of the coverage what needs not be counted: the tracer makes a test three to five times as slow.

    Lines that a property reaches by chance, or a meeting by the way, are no proof that a package is tested. Only in
    ``tcproto``, where no line may be missed, properties count.
    """
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        is_of_the_whole = folder in WHOLE or item.path.parent == TESTS
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_of_the_whole:
            is_counted = "measured" in getattr(item, "fixturenames", ())
        else:
            is_counted = folder == "tcproto" or not is_property
        if not is_counted:
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run a test that is not counted without any tracer.

    Each process of ``pytest-xdist`` begins with a measurement of the coverage, and then with another one on top of it.
    ``no_cover`` stops the upper one, and so the lower one goes on.
    """
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    tracer, thread_tracer = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        threading.settrace(thread_tracer)


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real recordings beside the checkout. Tests that need it are skipped if it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "media"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}")
    return folder
