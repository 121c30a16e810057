"""What an object keeps in memory, at any depth.

A test can see that something is forgotten, or that a peer cannot make the object grow, whatever the names inside are.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

Part = TypeVar("Part")
NOT_KEPT = (type, ModuleType, FunctionType, MethodType)
"""Kinds that would connect everything to everything."""


def parts_of(whole: object) -> list[Any]:
    """Return all objects that an object keeps, itself included, each once."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [whole]
    while waiting:
        part = waiting.pop()
        if id(part) not in found and not isinstance(part, NOT_KEPT):
            found[id(part)] = part
            waiting += gc.get_referents(part)
    return list(found.values())


def kept(whole: object, kind: type[Part]) -> list[Part]:
    """Return the parts of a kind."""
    return [part for part in parts_of(whole) if isinstance(part, kind)]


def largest_table(whole: object) -> int:
    """Return the entries of the largest table, list or queue in an object."""
    return max(len(part) for part in parts_of(whole) if isinstance(part, dict | list | set | deque))


def size_of(whole: object) -> int:
    """Return the bytes that an object takes with all its parts."""
    return sum(map(sys.getsizeof, parts_of(whole)))
