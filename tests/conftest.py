"""Fixtures for all tests."""

from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: there are no deadlines.
settings.register_profile("usual", deadline=None, max_examples=40)
settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("long", deadline=None, max_examples=500)
settings.load_profile("usual")


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real recordings beside the checkout. Tests that need it are skipped if it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "media"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}")
    return folder
