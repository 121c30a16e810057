"""Fixtures of the tests of whole benchmarks."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def all_processors() -> Iterator[None]:
    """Let this process use all processors again afterwards: a benchmark takes one of them away."""
    processors = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, processors)
