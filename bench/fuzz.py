"""Damaged repositories: whatever is broken in a store, the fast path neither crashes nor hangs nor keeps silent about it.

usage: bench/fuzz.py --minutes N [--plain] [--seed S] [--keep FOLDER]

Small real repositories are damaged in one place or several (bits, cuts, lies in headers, deltas, indexes, loose objects) and
scanned in a child process that has ten seconds and 1.5 GB for each. Checked: it answers; nothing but the errors it
knows is raised; memory stays bounded; what git can still read is still found, or named among what was skipped; and where git
names something as broken, something is named here too. Inputs that fail are kept in FOLDER. Exit status 1 if any did.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import hashlib
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.sources.git import repositories  # noqa: E402
from tests.sources.git.repositories import OFS_DELTA, REF_DELTA, PackWriter, copy, number  # noqa: E402

PATIENCE = 10.0
"""Seconds an input may take before it counts as a hang."""
MEMORY = 1500 << 20
GROWTH = 300 << 20
"""Bytes by which the largest memory of the child may grow with one small input."""
BASES = 24


# --- damage ----------------------------------------------------------------------------------------------------------------


class Raw(NamedTuple):
    """An object as it lies in a pack: `lead` is a base's id, or what stands for the distance to it."""

    oid: bytes
    kind: int
    lead: bytes
    data: bytes


def unpicked(index: Path, oid_size: int) -> list[Raw]:
    """The objects of a sound pack."""
    raw = index.with_suffix(".pack").read_bytes()
    names = {offset: oid for oid, offset in offsets(index.read_bytes(), oid_size)}
    out = []
    at = 12
    while at < len(raw) - oid_size:
        start = at
        kind = raw[at] >> 4 & 7
        while raw[at] & 0x80:
            at += 1
        at += 1
        lead = b""
        if kind == REF_DELTA:
            lead = raw[at : at + oid_size]
            at += oid_size
        elif kind == OFS_DELTA:
            back = raw[at] & 0x7F
            while raw[at] & 0x80:
                at += 1
                back = (back + 1 << 7) | raw[at] & 0x7F
            at += 1
            lead = names[start - back]
        stream = zlib.decompressobj()
        data = stream.decompress(raw[at:])
        at = len(raw) - len(stream.unused_data)
        out.append(Raw(names[start], kind, lead, data))
    return out


def offsets(index: bytes, oid_size: int) -> list[tuple[bytes, int]]:
    """Ids and offsets of a sound index."""
    if index[:4] != b"\xfftOc":
        rows = index[1024 : -2 * oid_size]
        size = 4 + oid_size
        return [(rows[i + 4 : i + size], int.from_bytes(rows[i : i + 4])) for i in range(0, len(rows), size)]
    count = int.from_bytes(index[8 + 1020 : 8 + 1024])
    oids, small = 8 + 1024, 8 + 1024 + count * (oid_size + 4)
    if small > len(index):
        raise ValueError("the index is damaged already")
    out = []
    for n in range(count):
        offset = int.from_bytes(index[small + 4 * n : small + 4 * n + 4])
        if offset & 0x80000000:
            far = small + 4 * count + 8 * (offset & 0x7FFFFFFF)
            offset = int.from_bytes(index[far : far + 8])
        out.append((index[oids + n * oid_size : oids + (n + 1) * oid_size], offset))
    return out


def flip(rng: Random, raw: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 2, 20))):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)


def cut(rng: Random, raw: bytearray) -> None:
    del raw[rng.choice((0, 1, 11, rng.randrange(len(raw)), len(raw) - 1)) :]


def drop(rng: Random, raw: bytearray) -> None:
    at = rng.randrange(len(raw))
    del raw[at : at + rng.choice((1, 4, 300))]


def fill(rng: Random, raw: bytearray) -> None:
    at, size = rng.randrange(len(raw)), rng.choice((1, 4, 8, 60))
    raw[at : at + size] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size), b"\x80" * size))


def swap(rng: Random, raw: bytearray) -> None:
    size = rng.choice((1, 4, 20, 100))
    a, b = rng.randrange(len(raw)), rng.randrange(len(raw))
    raw[a : a + size], raw[b : b + size] = raw[b : b + size], raw[a : a + size]


def more(rng: Random, raw: bytearray) -> None:
    raw += rng.randbytes(rng.choice((1, 20, 1000)))


PLAIN = (flip, flip, cut, drop, fill, fill, swap, more)


def bytes_anywhere(rng: Random, path: Path) -> str:
    """Any file of the store, as bytes."""
    files = sorted(p for p in (path).rglob("*") if p.is_file() and "objects" in p.parts and p.stat().st_size)
    file = rng.choice(files)
    raw = bytearray(file.read_bytes())
    change = rng.choice(PLAIN)
    change(rng, raw)
    _replace(file, bytes(raw))
    return f"{change.__name__} in {file.suffix or file.name}"


def _replace(file: Path, content: bytes) -> None:
    """Packs are written read-only, and may be linked."""
    file.unlink()
    file.write_bytes(content)


def _index(rng: Random, path: Path) -> Path | None:
    found = sorted(path.rglob("*.idx"))
    return rng.choice(found) if found else None


def bad_delta(rng: Random, patch: bytes) -> bytes:
    """A delta that is wrong in one of the ways there are."""
    base, at = _size(patch, 0)
    _target, at = _size(patch, at)
    kind = rng.randrange(9)
    if kind == 0:
        return number(base) + number(rng.choice((0, 1, 1 << 20, 1 << 33, 1 << 56))) + patch[at:]
    if kind == 1:
        return number(rng.choice((0, base + 1, 1 << 40))) + patch[at:]
    if kind == 2:
        return number(base) + number(70_000) + copy(max(0, base - 3), 70_000)
    if kind == 3:
        return number(base) + number(0xFFFFFF) + copy(0xFFFFFFFF, 0xFFFFFF)
    if kind == 4:
        return patch[: rng.randrange(len(patch))]
    if kind == 5:
        return patch[:at] + b"\0" + patch[at:]
    if kind == 6:
        return b"\xff" * 11 + patch
    if kind == 7:  # much out of little
        return number(base) + number(base * 3000) + copy(0, base) * 3000
    raw = bytearray(patch)
    flip(rng, raw)
    return bytes(raw)


def _size(patch: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (patch[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not patch[at - 1] & 0x80:
            return value, at


def rebuilt(rng: Random, path: Path) -> str:
    """A pack with a sound index, but an object in it that lies."""
    index = _index(rng, path)
    oid_size = 32 if "sha256" in (path / "config").read_text() else 20
    objects = unpicked(index, oid_size) if index else []
    if index is None or not objects:
        return bytes_anywhere(rng, path)
    pack = PackWriter("sha256" if oid_size == 32 else "sha1")
    deltas = [n for n, o in enumerate(objects) if o.lead]
    victim = rng.choice(deltas) if deltas and rng.randrange(3) else rng.randrange(len(objects))
    lie = rng.choice(LIES if not objects[victim].lead else (*LIES, *DELTA_LIES))
    if lie == "circle":
        a, b = victim, rng.choice(deltas)
        objects[a] = objects[a]._replace(kind=REF_DELTA, lead=objects[b].oid)
        objects[b] = objects[b]._replace(kind=REF_DELTA, lead=objects[a].oid)
    for place, (oid, kind, lead, data) in enumerate(objects):
        size: int | None = None
        where = lead
        if kind == OFS_DELTA:
            where = repositories.distance(len(pack.body) - pack.at[lead]) if lead in pack.at else lead
            kind = OFS_DELTA if lead in pack.at else REF_DELTA
        raw = zlib.compress(data, 1)
        if place == victim:
            if lie == "size":
                size = rng.choice((0, 1, len(data) + 1, max(0, len(data) - 1), 1 << 20, 1 << 31, (1 << 63) + 5))
            elif lie == "kind":
                kind, where = rng.choice((0, 1, 2, 3, 4, 5)), b""
            elif lie == "no base":
                kind, where = REF_DELTA, rng.choice((oid, rng.randbytes(oid_size), objects[-1].oid))
            elif lie == "far base":
                kind, where = OFS_DELTA, repositories.distance(rng.choice((0, 1, 7, 1 << 20, 1 << 60)))
            elif lie == "bomb":
                raw = bomb(400 << 20)
            elif lie == "stream":
                broken = bytearray(raw)
                rng.choice(PLAIN)(rng, broken)
                raw = bytes(broken)
            elif lie == "other bytes":
                data = rng.randbytes(min(len(data), 1 << 20))
                raw = zlib.compress(data)
            elif lie == "delta":
                data = bad_delta(rng, data)
                raw = zlib.compress(data)
        start = len(pack.body)
        pack.body += repositories.header(kind, len(data) if size is None else size) + where + raw
        pack.stored.append(repositories.Stored(oid, start, zlib.crc32(pack.body[start:])))
        pack.at.setdefault(oid, start)
    stem = index.stem.removeprefix("pack-")
    for file in index.parent.glob(f"{index.stem}.*"):
        file.unlink()
    with contextlib.suppress(FileNotFoundError):
        (index.parent / "multi-pack-index").unlink()
    pack.write(index.parent, stem, rng.choice((1, 2)))
    return f"lie: {lie}"


@cache
def bomb(size: int, head: bytes = b"") -> bytes:
    """A stream of many zeros."""
    return zlib.compress(head + bytes(size), 1)


LIES = ("size", "kind", "no base", "far base", "bomb", "stream", "other bytes")
DELTA_LIES = ("delta", "delta", "delta", "delta", "circle")


def forged_index(rng: Random, path: Path) -> str:
    """An index that is well made and wrong."""
    index = _index(rng, path)
    if index is None:
        return bytes_anywhere(rng, path)
    algorithm = "sha256" if "sha256" in (path / "config").read_text() else "sha1"
    oid_size = hashlib.new(algorithm).digest_size
    rows = [repositories.Stored(oid, offset, 0) for oid, offset in offsets(index.read_bytes(), oid_size)]
    if not rows:
        return bytes_anywhere(rng, path)
    kind = rng.choice(("swapped", "shifted", "doubled", "lost", "added", "far"))
    a, b = rng.randrange(len(rows)), rng.randrange(len(rows))
    if kind == "swapped":
        rows[a], rows[b] = rows[a]._replace(offset=rows[b].offset), rows[b]._replace(offset=rows[a].offset)
    elif kind == "shifted":
        rows[a] = rows[a]._replace(offset=max(0, rows[a].offset + rng.choice((-20, -1, 1, 5, 1 << 30))))
    elif kind == "doubled":
        rows[a] = rows[a]._replace(offset=rows[b].offset)
    elif kind == "lost":
        del rows[a]
    else:
        rows.append(repositories.Stored(rng.randbytes(oid_size), rng.choice((0, 12, 13, 1 << 30, (1 << 32) - 1)), 0))
    raw = repositories.index_of(rows, bytes(oid_size), algorithm, 2, kind == "far")
    pack_end = index.with_suffix(".pack").read_bytes()[-oid_size:]
    body = raw[: -2 * oid_size] + pack_end
    _replace(index, body + hashlib.new(algorithm, body).digest())
    return f"index: {kind}"


def loose_lie(rng: Random, path: Path) -> str:
    """A loose object that is not what it says."""
    files = sorted(p for p in path.glob("objects/[0-9a-f][0-9a-f]/*") if p.is_file())
    file = rng.choice(files) if files else repositories.put_loose(path, repositories.BLOB, repositories.planted(rng))
    data = zlib.decompress(file.read_bytes())
    head, _, body = data.partition(b"\0")
    name = head.split()[0]
    kind = rng.choice(("size", "kind", "no end", "bomb", "stream", "trail", "long head", "empty"))
    content = {
        "size": name + b" %d\0" % (len(body) + rng.choice((-1, 1, 1 << 40))) + body,
        "kind": rng.choice((b"tree", b"blobb", b"commit", b"", b"\xff\xff")) + b" %d\0" % len(body) + body,
        "no end": head + body.replace(b"\0", b""),
        "long head": name + b" " * 200 + b"%d\0" % len(body) + body,
    }.get(kind, data)
    raw = bytearray(bomb(200 << 20, head + b"\0") if kind == "bomb" else zlib.compress(content, 1))
    if kind == "stream":
        rng.choice(PLAIN)(rng, raw)
    elif kind == "trail":
        raw += b"more"
    _replace(file, b"" if kind == "empty" else bytes(raw))
    return f"loose: {kind}"


def files_about(rng: Random, path: Path) -> str:
    """Files of the store gone, mixed up, or of no use."""
    index = _index(rng, path)
    kind = rng.choice(("no pack", "another's pack", "stray", "alternates"))
    if kind == "alternates" or index is None:
        lines = rng.choice((b"/nowhere\n", b"../objects\n.\n", b"\0\xff\n", b"\n\n#\n", b'"../objects"\n'))
        with (path / "objects/info/alternates").open("ab") as file:
            file.write(lines)
    elif kind == "no pack":
        index.with_suffix(".pack").unlink()
    elif kind == "another's pack":
        other = rng.choice(sorted(path.rglob("*.pack"))).read_bytes()
        _replace(index.with_suffix(".pack"), other[: len(other) // 2] if rng.randrange(2) else other)
    else:
        (path / "objects/ab").mkdir(exist_ok=True)
        (path / "objects/ab" / ("c" * 38)).mkdir(exist_ok=True)
        (path / "objects/ab" / ("d" * 39)).write_bytes(b"x")
        (path / "objects/pack/pack-zz.idx").write_bytes(b"")
    return f"files: {kind}"


DAMAGES: tuple[Callable[[Random, Path], str], ...] = (
    *(bytes_anywhere,) * 4,
    *(rebuilt,) * 6,
    *(forged_index,) * 2,
    *(loose_lie,) * 2,
    files_about,
)


def damage(rng: Random, path: Path) -> str:
    """Break something, now and then several things. Returns what."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        try:
            done.append(rng.choice(DAMAGES)(rng, path))
        except (IndexError, KeyError, ValueError, zlib.error, OSError) as e:
            if not done:  # what was broken first may be what the second cannot read
                raise
            done.append(f"nothing more ({type(e).__name__})")
    return ", ".join(done)


def bases(folder: Path, seed: int, count: int = BASES) -> list[Path]:
    """Sound repositories of all layouts to begin with."""
    out = []
    for turn in range(count):
        rng = Random(f"{seed} {turn}")
        layout = repositories.LAYOUTS[turn % len(repositories.LAYOUTS)]
        path = folder / f"base-{turn}"
        repositories.repository(path, layout, repositories.steps(rng, rng.randint(5, 12)), rng.getrandbits(32))
        out.append(path)
    return out


# --- the child ---------------------------------------------------------------------------------------------------------------


class Child:
    """Scans one repository after the other and judges each answer."""

    def __init__(self, plain: bool) -> None:
        from scanner.pipeline import Options, Scanner, load_rules

        self.plain = plain
        self.scanner = Scanner(load_rules(Options()), Options())
        self._sound: dict[str, dict[str, set[Any]]] = {}

    def sound(self, base: str) -> dict[str, set[Any]]:
        """What stands in each object of a sound repository, read by the reference path."""
        from scanner.sources.git.history import HistorySource
        from scanner.sources.git.run import Repository

        if base not in self._sound:
            found: dict[str, set[Any]] = {}
            source = HistorySource.open(Repository(base))
            for item in source.items():
                for sighting in self.scanner.read(source.read(item)).sightings:  # type: ignore[arg-type]
                    oid, match = _seen(sighting)
                    found.setdefault(oid, set()).add(match)
            self._sound[base] = found
        return self._sound[base]

    def judge(self, base: str, path: str) -> str:
        """What is wrong with the scan of the damaged copy at `path`; "" when nothing is."""
        from scanner.model import DeadkeyError, Skip
        from scanner.sources.git.objects import Entry, contents
        from scanner.sources.git.packed import PackedSource
        from scanner.sources.git.run import Repository

        sound = self.sound(base)
        memory = _peak()
        sightings: set[Any] = set()
        skips: list[Any] = []
        repository = Repository(path)
        try:
            source = PackedSource.open(repository, self.plain)
            for item in source.items():
                if isinstance(item, Skip):
                    skips.append(item)
                    continue
                found = self.scanner.item(source, item)
                sightings.update(found.sightings)
                skips += found.skips
            skips += source.resolve(list(sightings))[1]
        except DeadkeyError as e:
            skips.append(Skip(path, str(e)))
        except Exception as e:
            where = traceback.extract_tb(e.__traceback__)[-1]
            return f"exception {type(e).__name__} at {Path(where.filename).name}:{where.lineno}"
        if _peak() - memory > GROWTH:
            return f"memory grew by {(_peak() - memory) >> 20} MB"
        said = " ".join(f"{s.path} {s.reason}" for s in skips)
        if "round in a circle" in said:  # git would not answer
            return ""
        seen = {_seen(s) for s in sightings}
        for oid, matches in sound.items():
            lost = {match for match in matches if (oid, match) not in seen}
            if not lost or oid in said:
                continue
            again = self.scanner.read(contents(repository, [Entry(oid, "blob", 0)]))
            kind = repository.run("cat-file", "--batch-check", stdin=[oid])[1].split()[1:2]
            if again.skips and not skips and kind != [b"tree"]:
                return "silent: git cannot read what held a secret, and nothing was named"
            if kind == [b"tree"] and skips:
                continue  # what calls itself a tree is no tree, and that was noticed
            found_elsewhere = {match for _, match in seen}  # two ids may be said to stand at one place
            if (lost & {_seen(s)[1] for s in again.sightings}) - found_elsewhere:
                return "lost: git can read what held a secret, and it was neither found nor named"
        return ""


def _seen(sighting: Any) -> tuple[str, Any]:
    """The object, whatever kind it is said to be, and the match."""
    return sighting.location.blob or sighting.location.commit or "", sighting.match


def _peak() -> int:
    """The largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(plain: bool) -> None:
    """Read base and copy, a line each, and answer with a line."""
    faulthandler.enable()
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    child = Child(plain)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        base, path = json.loads(line)
        faulthandler.dump_traceback_later(PATIENCE - 1, exit=False)
        answer = child.judge(base, path)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(answer), flush=True)


# --- the parent ----------------------------------------------------------------------------------------------------------------


@dataclass
class Counts:
    """What came of the inputs. `failures` says of each what was broken and what went wrong."""

    inputs: int = 0
    crashes: int = 0
    hangs: int = 0
    wrong: int = 0
    failures: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


class Runner:
    """The child, started anew when it died or hung."""

    def __init__(self, plain: bool, log: Path) -> None:
        self._command = [sys.executable, __file__, "--child", *(["--plain"] if plain else [])]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, base: Path, path: Path) -> str:
        """The child's answer, or "crash" or "hang"."""
        if self._process is None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )
            if self._answer(60) != "ready":
                raise SystemExit(f"the child does not start: {self._log.read_text()}")
        assert self._process and self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([str(base), str(path)]).encode() + b"\n")
            self._process.stdin.flush()
        return self._answer(PATIENCE)

    def _answer(self, patience: float) -> str:
        assert self._process and self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], patience)
        line = self._process.stdout.readline() if ready else b""
        if line:
            answer: str = json.loads(line)
            return answer
        self.close()
        return "crash" if ready else "hang"

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def inputs(folder: Path, seed: int, count: int = BASES) -> Iterator[tuple[Path, Path, str]]:
    """Damaged copies without end: the sound repository, its copy, what was broken."""
    sound = bases(folder, seed, count)
    turn = 0
    while True:
        rng = Random(f"{seed} input {turn}")
        base = rng.choice(sound)
        path = folder / f"input-{turn}"
        shutil.copytree(base, path)
        yield base, path, damage(rng, path)
        shutil.rmtree(path, ignore_errors=True)
        turn += 1


def run(
    plain: bool, seed: int, keep: Path | None, minutes: float = 0, most: int = 0, count: int = BASES, after: int = 0
) -> Counts:
    """Fuzz for some minutes, or for `most` inputs, the first `after` of a seed left out."""
    counts = Counts()
    deadline = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(plain, Path(folder, "log"))
        try:
            for number_of, (base, path, what) in enumerate(inputs(Path(folder), seed, count)):
                if number_of < after:
                    continue
                if (most and counts.inputs >= most) or (not most and time.monotonic() > deadline):
                    break
                counts.inputs += 1
                counts.kinds[what.partition(",")[0]] += 1
                answer = runner.ask(base, path)
                if not answer:
                    continue
                counts.crashes += answer == "crash"
                counts.hangs += answer == "hang"
                counts.wrong += answer not in ("crash", "hang")
                counts.failures.append(f"input {number_of} ({what}): {answer}")
                if keep is not None:
                    kept = keep / f"{'plain' if plain else 'compiled'}-{seed}-{number_of}"
                    shutil.rmtree(kept, ignore_errors=True)
                    shutil.copytree(path, kept)
                    Path(f"{kept}.txt").write_text(
                        f"{base.name}: {what}: {answer}\n{Path(folder, 'log').read_text()}\n"
                    )
        finally:
            runner.close()
    return counts


def main() -> int:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        serve(given.plain)
        return 0
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    counts = run(given.plain, given.seed, given.keep, given.minutes)
    for failure in counts.failures:
        print(failure)
    print(
        f"{counts.inputs} inputs in {time.monotonic() - started:.0f} s with the {'plain' if given.plain else 'compiled'} kernel:"
        f" {counts.crashes} crashes, {counts.hangs} hangs, {counts.wrong} wrong answers"
    )
    print(", ".join(f"{what} {times}" for what, times in counts.kinds.most_common()))
    return 1 if counts.failures else 0


if __name__ == "__main__":
    sys.exit(main())
