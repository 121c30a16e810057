"""Values of the command line that several commands take."""

from __future__ import annotations

import argparse


def named(text: str) -> str:
    """Return the name of a file, a folder or a device. Raises ``ArgumentTypeError`` for an empty one.

    A script whose variable is not set gives an empty name. It must not mean that nothing is sent or recorded.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text
