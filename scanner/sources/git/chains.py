"""The contents of a pack's objects: streams inflated, deltas applied, bases kept within a budget."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from typing import Any

from isal import isal_zlib

from scanner.sources.git import kernel_py
from scanner.sources.git.pack import Pack, numbers

compiled: Any
try:
    compiled = import_module("scanner.sources.git._kernel")
except ImportError:  # no compiler was at hand when deadkey was installed
    compiled = kernel_py

HUGE = 64 << 20
"""Objects above this many bytes go to the reference path, which reads them in windows."""
SMALL = 32 << 10
"""Compressed bytes of which so little can come (a thousandfold) that no limit is needed."""
BUDGET = 96 << 20
"""Bytes of bases kept by one process; one that was let go is made again."""


def kernel(plain: bool) -> Any:
    """The compiled kernel, or its plain twin."""
    return kernel_py if plain else compiled


class Chains:
    """One pack's objects by number. `plain` uses the kernel's plain twin."""

    def __init__(self, pack: Pack, plain: bool = False) -> None:
        self.pack = pack
        self.kernel = kernel(plain)
        self._sizes, self._starts, self._ends = (numbers(x) for x in (pack.sizes, pack.starts, pack.ends))
        self._parents = numbers(pack.parents)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._kept_bytes = 0

    def inflate(self, number: int) -> bytes:
        size = self._sizes[number]
        if size > HUGE:
            raise ValueError("too large for this path")
        stream = self.pack.data[self._starts[number] : self._ends[number]]
        if len(stream) <= SMALL:
            data: bytes = isal_zlib.decompress(stream, 15, max(size, 1))
        else:
            inflater = isal_zlib.decompressobj()
            data = inflater.decompress(stream, max(size, 0) + 1)
            if not inflater.eof:
                raise ValueError("its stream does not end where it should")
        if len(data) != size:
            raise ValueError("it has another size than it says")
        return data

    def base(self, number: int) -> bytes:
        """The content of an object whose children are walked, made again where it was let go."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        data = self.content(number)
        self.keep(number, data)
        return data

    def content(self, number: int) -> bytes:
        """The content of any object, from the nearest base that is kept."""
        chain = []
        at = number
        while at not in self._kept and self._parents[at] >= 0:
            chain.append(at)
            at = self._parents[at]
        data = self._kept[at] if at in self._kept else self.inflate(at)
        for step in reversed(chain):
            data = self.kernel.apply(data, self.inflate(step), 0, HUGE)[0]
        return data

    def keep(self, number: int, data: bytes) -> None:
        self._kept[number] = data
        self._kept_bytes += len(data)
        while self._kept_bytes > BUDGET and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._kept_bytes -= len(gone)

    def drop(self, number: int) -> None:
        gone = self._kept.pop(number, None)
        if gone is not None:
            self._kept_bytes -= len(gone)
