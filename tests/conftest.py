"""Fixtures for all tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real recordings beside the checkout; tests that need it are skipped where it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "media"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}")
    return folder
