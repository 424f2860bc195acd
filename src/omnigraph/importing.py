"""Imports of what is large, without the interpreter looking for cycles in it: what they make is there to stay."""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType


def import_large(name: str) -> ModuleType:
    """Import a module that brings hundreds of others along.

    The collector of cycles rests meanwhile, and never looks at what was there afterwards (`gc.freeze`): a hundred thousand
    objects of Arrow, NumPy and Lance would cost every full collection 10 ms, a start a tenth of its time and an exit 30 ms.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
