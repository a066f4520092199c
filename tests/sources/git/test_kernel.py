"""The compiled kernel and its plain twin agree with each other, with a simple reading of deltas, and with git."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.sources.git import chains, kernel_py
from scanner.sources.git.kernel_py import BadDelta, packed, unpacked
from scanner.sources.git.pack import BLOB, ROOT, Pack, children, open_pack
from tests.sources.git import repositories
from tests.sources.git.repositories import copy, number

LIMIT = 1 << 20
SEEDS = st.integers(0, 2**32 - 1)
SPANS = st.integers(1, 300)
relaxed = settings(deadline=None, max_examples=150)
costly = settings(deadline=None, max_examples=50)


@pytest.fixture(params=["compiled", "plain"])
def kernel(request: pytest.FixtureRequest) -> Any:
    """Each twin; where no compiler was at hand there is one."""
    return chains.compiled if request.param == "compiled" else kernel_py


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except BadDelta as e:
        return f"refused: {e}"


def simple(base: bytes, patch: bytes) -> bytes:
    """gitformat-pack(5), read as it stands there, for a right delta."""
    at = 0

    def size() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = patch[at]
            at += 1
            value += (byte % 128) << shift
            shift += 7
            if byte < 128:
                return value

    assert size() == len(base)
    wanted = size()
    out = b""
    while at < len(patch):
        instruction = patch[at]
        at += 1
        if instruction < 128:
            out += patch[at : at + instruction]
            at += instruction
            continue
        fields = []
        for bit in range(7):
            fields.append(patch[at] if instruction >> bit & 1 else 0)
            at += instruction >> bit & 1
        start, length = int.from_bytes(fields[:4], "little"), int.from_bytes(fields[4:], "little")
        out += base[start : start + (length or 0x10000)]
    assert len(out) == wanted
    return out


def pair(seed: int) -> tuple[bytes, bytes, bytes]:
    """A base, a target, and a delta from one to the other."""
    rng = Random(seed)
    texts = repositories.versions(repositories.steps(rng, rng.randint(2, 4)))
    base, target = rng.choice(texts), texts[-1]
    return base, target, repositories.delta(base, target, rng)


@costly
@given(seed=SEEDS, span=SPANS)
def test_right_deltas_are_applied(seed: int, span: int) -> None:
    base, target, patch = pair(seed)
    compiled = chains.compiled.apply(base, patch, span, LIMIT)
    assert compiled == kernel_py.apply(base, patch, span, LIMIT)
    assert compiled[0] == target == simple(base, patch)
    for at, start, length in unpacked(compiled[1]):
        assert target[at : at + length] == base[start : start + length]
    assert (
        chains.compiled.apply(base, patch, 0, LIMIT)
        == kernel_py.apply(base, patch, 0, LIMIT)
        == (target, compiled[1], [])
    )


@relaxed
@given(seed=SEEDS, flips=st.integers(1, 4), span=SPANS)
def test_damaged_deltas_are_read_or_refused_alike(seed: int, flips: int, span: int) -> None:
    base, _, patch = pair(seed)
    rng = Random(seed)
    for _ in range(20):
        bad = bytearray(patch)
        for _ in range(flips):
            at = rng.randrange(len(bad)) if rng.randrange(3) else rng.randrange(min(12, len(bad)))
            change = rng.randrange(4)
            if change == 0:
                bad[at] ^= 1 << rng.randrange(8)
            elif change == 1:
                del bad[at : at + rng.choice((1, 5))]
            elif change == 2:
                bad.insert(at, rng.choice((0, 0x80, 0xFF, rng.randrange(256))))
            else:
                del bad[at:]
            bad = bad or bytearray(b"\0")
        given = (base, bytes(bad), span, LIMIT)
        assert outcome(chains.compiled.apply, *given) == outcome(kernel_py.apply, *given)


@relaxed
@given(base=st.binary(max_size=200), patch=st.binary(max_size=60), limit=st.integers(0, 400), sized=st.booleans())
def test_bytes_that_are_no_delta_are_refused_alike(base: bytes, patch: bytes, limit: int, sized: bool) -> None:
    if sized:
        patch = number(len(base)) + patch
    given = (base, patch, 7, limit)
    assert outcome(chains.compiled.apply, *given) == outcome(kernel_py.apply, *given)


TEN = b"0123456789"
REFUSED = {
    "no sizes": b"",
    "one size": number(10),
    "a size without an end": b"\x80" * 12,
    "another base": number(11) + number(1) + b"\x01x",
    "beyond its limit": number(10) + number(LIMIT + 1) + b"\x01x",
    "a size beyond all memory": number(10) + b"\xff" * 8 + b"\x3f",
    "an unknown operation": number(10) + number(1) + b"\0",
    "an insertion cut short": number(10) + number(5) + b"\x05abc",
    "a copy cut short": number(10) + number(5) + b"\x91\x00",
    "a copy from beyond": number(10) + number(5) + copy(6, 5),
    "a copy from far beyond": number(10) + number(5) + copy(0xFFFFFFFF, 0xFFFFFF),
    "a long copy": number(10) + number(5) + copy(0, 10),
    "a copy of none, which is 65,536": number(10) + number(5) + b"\x80",
    "a long insertion": number(10) + number(2) + b"\x03abc",
    "less than it says": number(10) + number(9) + copy(0, 5),
    "nothing": number(10) + number(9),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_delta_is_noticed(kernel: Any, name: str) -> None:
    with pytest.raises(BadDelta):
        kernel.apply(TEN, REFUSED[name], 7, LIMIT)


def test_a_copy_of_65536_bytes(kernel: Any) -> None:
    base = Random(1).randbytes(70_000)
    patch = number(len(base)) + number(0x10001) + copy(3, 0x10000) + b"\x01x"
    assert kernel.apply(base, patch, 2, LIMIT) == (
        base[3 : 3 + 0x10000] + b"x",
        packed([(0, 3, 0x10000)]),
        [(0, 1), (0xFFFF, 0x10001)],
    )


def test_neighbouring_copies_are_one(kernel: Any) -> None:
    patch = number(10) + number(10) + copy(0, 4) + copy(4, 6)
    assert kernel.apply(TEN, patch, 3, LIMIT) == (TEN, packed([(0, 0, 10)]), [])


@relaxed
@given(
    target=st.binary(max_size=400),
    windows=st.lists(st.tuples(st.integers(-5, 450), st.integers(-5, 450)).map(sorted).map(tuple), max_size=5),
)
def test_windows_are_gathered_alike(target: bytes, windows: list[tuple[int, int]]) -> None:
    if any(low < 0 or high > len(target) for low, high in windows):
        for twin in (chains.compiled, kernel_py):
            with pytest.raises(ValueError):
                twin.gather(target, windows)
        return
    text, places = chains.compiled.gather(target, windows)
    assert (text, places) == kernel_py.gather(target, windows)
    if text is not target:
        assert text == b"".join(target[low:high] + b"\n" for low, high in windows)
        assert [(low, high) for _, low, high in places] == windows
        for at, low, high in places:
            assert text[at : at + high - low] == target[low:high]
    else:
        assert places == [(0, 0, len(target))]


@costly
@given(seed=SEEDS, span=SPANS)
def test_what_lies_in_no_window_was_copied(seed: int, span: int) -> None:
    """Every stretch of `span` bytes that is not in a window stands in one copied run."""
    base, target, patch = pair(seed)
    _, copies, windows = chains.compiled.apply(base, patch, span, LIMIT)
    assert windows == sorted(windows)
    assert all(0 <= low <= high <= len(target) for low, high in windows)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(windows))
    for start in range(len(target) - span + 1):
        if not any(low <= start and start + span <= high for low, high in windows):
            assert any(at <= start and start + span <= at + length for at, _, length in unpacked(copies)), start


WORDS = [re.compile(w) for w in (rb"token", rb"a[a-z]{0,20}e", rb"[0-9]{2,6}", rb"\n", rb"=.{1,9}\n")]
WIDEST = 22
REACH = [(rng.randrange(5, 90), rng.randrange(90)) for rng in [Random(3)] for _ in WORDS]
LINES = [(rng.randrange(0, 40), rng.randrange(3)) for rng in [Random(4)] for _ in WORDS]
"""By word: how far inside a line no newline counts, and after how many of them its reading ends; 0: it does not."""
REACHED = array("i", [n for reach, line in zip(REACH, LINES, strict=True) for n in (*reach, *line)]).tobytes()


def ends(data: bytes) -> list[tuple[int, int]]:
    """Where the words end, all of them."""
    found = {
        (end, number)
        for number, word in enumerate(WORDS)
        for start in range(len(data))
        for end in range(start + 1, min(len(data), start + WIDEST) + 1)
        if word.fullmatch(data, start, end)
    }
    return sorted(found)


def flat(hits: list[tuple[int, int]]) -> bytes:
    return array("i", [n for hit in hits for n in hit]).tobytes()


@costly
@given(seed=SEEDS, span=st.integers(WIDEST, 80))
def test_hits_are_carried_and_those_whose_meaning_may_have_changed_are_named(seed: int, span: int) -> None:
    """All hits of the target come of those of its base and those in its windows, and what is not read again is the same."""
    base, target, patch = pair(seed)
    base, target = base[:1500], target[:1500]
    patch = repositories.delta(base, target, Random(seed))
    _, copies, windows = chains.compiled.apply(base, patch, span, LIMIT)
    text, places = chains.compiled.gather(target, windows)
    given = (flat(ends(base)), ends(text), places, copies, base, len(target), span, REACHED)
    hits, again = chains.compiled.carry(*given)
    assert (hits, again) == kernel_py.carry(*given)
    assert hits == flat(ends(target))
    assert again == sorted(set(again))

    def around(data: bytes, end: int, anchor: int) -> tuple[bytes, bytes]:
        (back, forward), (inner, lines) = REACH[anchor], LINES[anchor]
        before, behind = data[max(0, end - back) : end], data[end : end + forward]
        if lines:
            start = before.rfind(b"\n", 0, max(0, len(before) - inner))
            before = before[start:] if start >= 0 else before
            kept = behind.split(b"\n", lines)
            behind = b"\n".join(kept[:lines]) + b"\n" if len(kept) > lines else behind
        return before, behind

    old = {(anchor, *around(base, end, anchor)) for end, anchor in ends(base)}
    for end, anchor in set(ends(target)) - set(again):
        assert (anchor, *around(target, end, anchor)) in old


@relaxed
@given(
    hits=st.lists(st.tuples(st.integers(-9, 99), st.integers(0, 3)), max_size=8),
    found=st.lists(st.tuples(st.integers(1, 99), st.integers(0, 3)), max_size=5),
    copies=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), max_size=5),
    base=st.lists(st.sampled_from([b"x" * 9, b"\n", b"ab"]), min_size=30, max_size=60).map(lambda x: b"".join(x)[:120]),
)
def test_hits_in_order_are_carried_alike_whatever_they_are(
    hits: list[tuple[int, int]], found: list[tuple[int, int]], copies: list[tuple[int, int, int]], base: bytes
) -> None:
    given = (flat(sorted(set(hits))), sorted(found), [(0, 0, 30), (40, 70, 90)], packed(copies), base, 120, 7, REACHED)
    assert chains.compiled.carry(*given) == kernel_py.carry(*given)
    marks = [(end, *REACH[number]) for end, number in hits]
    assert chains.compiled.follow(marks, given[3], 120, 120, 7) == kernel_py.follow(marks, given[3], 120, 120, 7)


@pytest.mark.parametrize("anchor", [-1, 5, 1 << 30])
def test_an_anchor_that_is_none_is_refused(anchor: int) -> None:
    with pytest.raises(IndexError):
        chains.compiled.carry(flat([(9, anchor)]), [], [], packed([(0, 0, 20)]), b"x" * 20, 20, 3, REACHED)


def packed_by_git(folder: Path, depth: int) -> tuple[Pack, list[bytes]]:
    """A pack of blobs as git makes deltas of them, and the blobs."""
    rng = Random(4)
    texts = repositories.versions(repositories.steps(rng, 30))
    path = repositories.imported(folder / "repo", texts, rng, algorithm="sha1", loose=False, depth=0)
    everything = "".join(f"{repositories.oid_of(BLOB, t).hex()}\n" for t in texts)
    (folder / "all").mkdir()
    options = ("--window=40", f"--depth={depth}", "--no-reuse-delta")
    repositories.git(path, "pack-objects", "-q", *options, str(folder / "all/pack"), data=everything.encode())
    (index,) = (folder / "all").glob("*.idx")
    return open_pack(index, 20), texts


def test_gits_own_deltas(kernel: Any, tmp_path: Path) -> None:
    """Every chain of a pack that git made gives what `git cat-file` gives."""
    pack, texts = packed_by_git(tmp_path, 40)
    deltas = 0
    for place in range(len(pack.kinds)):
        chain = []
        at = place
        while at != ROOT:
            chain.append(zlib.decompress(pack.data[int(pack.starts[at]) : int(pack.ends[at])]))
            at = int(pack.parents[at])
        data = chain.pop()
        deltas += len(chain)
        while chain:
            data = kernel.apply(data, chain.pop(), 9, LIMIT)[0]
        assert repositories.oid_of(BLOB, data).hex() == pack.oid(place)
        assert data in texts
    assert deltas > 10


def test_without_the_compiled_kernel_the_plain_one_is_used() -> None:
    """In a process of its own that cannot import it."""
    program = (
        "import sys; sys.modules['scanner.sources.git._kernel'] = None\n"
        "from scanner.sources.git import chains, kernel_py\n"
        "assert chains.compiled is kernel_py\n"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": root}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def entry(name: bytes, mode: bytes, oid: bytes) -> bytes:
    return mode + b" " + name + b"\0" + oid


def tree(entries: dict[bytes, tuple[bytes, bytes]]) -> bytes:
    """A tree object in git's order: a folder's name as if a slash followed it."""
    order = sorted(entries, key=lambda name: name + b"/" if entries[name][0] == b"40000" else name)
    return b"".join(entry(name, *entries[name]) for name in order)


OIDS = st.sampled_from([bytes([n]) * 20 for n in range(6)] + [b"\0 40000 a\0" + b"x" * 10, b"40000 b\0" + b"y" * 12])
NAMES = st.sampled_from([b"a", b"a.c", b"a-b", b"a0", b"ab", b"b", b"40000 x", b"long" * 30, b"\xff"])
MODES = st.sampled_from([b"40000", b"100644", b"100755", b"120000", b"160000"])
ENTRIES = st.dictionaries(NAMES, st.tuples(MODES, OIDS), max_size=9)


def told(kernel: Any, base: bytes, target: bytes, wanted: set[bytes], seed: int) -> Any:
    """What a kernel says has changed: names, codes and ids; what it made of the names already there is in it as well."""
    names, edges, oids = {b"known": 0}, bytearray(), bytearray()
    given = (20, wanted, {}, 0, bytearray(), bytearray())
    index = outcome(kernel.changed_entries, b"", base, b"", b"", *given)
    if isinstance(index, str):
        return index
    _, copies, _ = kernel.apply(base, repositories.delta(base, target, Random(seed)), 1, LIMIT)
    said = outcome(kernel.changed_entries, base, target, index, copies, 20, wanted, names, 7, edges, oids)
    if isinstance(said, str):
        return said
    owners, codes = (memoryview(bytes(edges)).cast("q").tolist()[n::2] for n in (0, 1))
    assert set(owners) <= {7}
    assert said == outcome(kernel.changed_entries, b"", target, b"", b"", *given)
    return names, codes, [bytes(oids[at : at + 20]) for at in range(0, len(oids), 20)]


@relaxed
@given(base=ENTRIES, target=ENTRIES, wanted=st.sets(OIDS, max_size=4), same=st.booleans(), seed=SEEDS)
def test_entries_that_changed_are_told(
    base: dict[bytes, tuple[bytes, bytes]],
    target: dict[bytes, tuple[bytes, bytes]],
    wanted: set[bytes],
    same: bool,
    seed: int,
) -> None:
    if same:
        target = {**base, **dict(list(target.items())[:1])}
    compiled = told(chains.compiled, tree(base), tree(target), wanted, seed)
    assert compiled == told(kernel_py, tree(base), tree(target), wanted, seed)
    numbers, codes, oids = compiled
    names = list(numbers)
    found = [(names[code >> 2], code & 3, oid) for code, oid in zip(codes, oids, strict=True)]
    expected = [
        (name, (2 if mode == b"40000" else 0) | gone, oid)
        for gone, one, other in ((0, target, base), (1, base, target))
        for name, (mode, oid) in one.items()
        if mode == b"40000" or oid in wanted
        if name not in other or other[name][1] != oid or (other[name][0] == b"40000") != (mode == b"40000")
    ]
    assert sorted(found) == sorted(expected)


@relaxed
@given(seed=SEEDS, base=ENTRIES, target=ENTRIES)
def test_damaged_trees_are_read_or_refused_alike(
    seed: int, base: dict[bytes, tuple[bytes, bytes]], target: dict[bytes, tuple[bytes, bytes]]
) -> None:
    rng = Random(seed)
    for _ in range(20):
        texts = []
        for text in (bytearray(tree(base)), bytearray(tree(target))):
            for _ in range(rng.randrange(3)):
                at = rng.randrange(len(text) + 1)
                text[at : at + rng.randrange(4)] = rng.choice((b"", b"\0", b" ", b"40", bytes([rng.randrange(256)])))
            texts.append(bytes(text))
        wanted = {bytes([n]) * 20 for n in range(3)}
        assert told(chains.compiled, *texts, wanted, seed) == told(kernel_py, *texts, wanted, seed)


HASHES = st.binary(min_size=20, max_size=20)


@relaxed
@given(
    tree=HASHES,
    parents=st.lists(HASHES, max_size=3),
    cut=st.integers(0, 90),
    change=st.none() | st.integers(0, 200),
    byte=st.binary(min_size=1, max_size=1),
)
def test_what_a_commit_names_is_read_alike(
    tree: bytes, parents: list[bytes], cut: int, change: int | None, byte: bytes
) -> None:
    data = b"".join([b"tree %s\n" % tree.hex().encode(), *(b"parent %s\n" % p.hex().encode() for p in parents)])
    data += b"author A <a@b> 1 +0000\n\nparent of all"
    for twin in (chains.compiled, kernel_py):
        assert twin.commit_ids(data, 20) == b"".join([tree, *parents])
    if change is not None:
        data = data[:change] + byte + data[change + 1 :]
    data = data[: len(data) - cut]
    said = []
    for twin in (chains.compiled, kernel_py):
        try:
            said.append(twin.commit_ids(data, 20))
        except ValueError as e:
            said.append(str(e))
    assert said[0] == said[1]


@pytest.mark.parametrize("budget", [0, 3000, 1 << 20])
def test_the_twins_walk_alike(tmp_path: Path, budget: int) -> None:
    """Every object of a pack by git comes once, made from the same base, whatever is kept of the bases."""
    pack, _ = packed_by_git(tmp_path, 9)
    wanted = np.arange(len(pack.kinds))
    tables = (pack.sizes, pack.starts, pack.ends, pack.parents, *children(pack, wanted))
    steps = []
    for twin in (chains.compiled, kernel_py):
        walker = twin.Chains(pack.data, *map(memoryview, tables), budget, LIMIT)
        roots = wanted[pack.parents < 0].tolist()
        steps.append([step for root in roots for step in walker.walk(root, 20)])
        assert (walker.made_again > 0) == (budget < 1 << 20)
    assert steps[0] == steps[1]
    assert sorted(step[0] for step in steps[0]) == wanted.tolist()
    for place, _, _, data, *_ in steps[0]:
        assert data is not None and repositories.oid_of(BLOB, data).hex() == pack.oid(place)


@pytest.mark.parametrize("number", [-1, 99])
def test_an_object_that_is_none_is_refused(number: int) -> None:
    empty = memoryview(np.zeros(2, np.int64))
    walker = chains.compiled.Chains(b"ab", empty, empty, empty, empty, memoryview(np.zeros(3, np.int64)), empty, 9, 9)
    for ask in (walker.inflate, lambda n: walker.walk(n, 1)):
        with pytest.raises((ValueError, IndexError)):
            ask(number)
