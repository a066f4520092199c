"""Which kernel goes through a pack's deltas, and within what limits."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from scanner.sources.git import kernel_py
from scanner.sources.git.pack import Ints, Pack

compiled: Any
try:
    compiled = import_module("scanner.sources.git._kernel")
except ImportError:  # no compiler was at hand when deadkey was installed
    compiled = kernel_py

HUGE = 64 << 20
"""Objects above this many bytes go to the reference path, which reads them in windows."""
BUDGET = 96 << 20
"""Bytes of bases kept by one process; one that was let go is made again."""


def kernel(plain: bool) -> Any:
    """The compiled kernel, or its plain twin."""
    return kernel_py if plain else compiled


def open_chains(pack: Pack, first: Ints, kids: Ints, plain: bool) -> Any:
    """The `kernel_py.Chains` of a pack, or its compiled twin; `first` and `kids` as `pack.children` gives them."""
    arrays = [x.data for x in (pack.sizes, pack.starts, pack.ends, pack.parents, first, kids)]
    return kernel(plain).Chains(pack.data, *arrays, BUDGET, HUGE)
