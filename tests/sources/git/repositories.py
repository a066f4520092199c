"""Repositories made to be awkward: versions of texts full of secrets, edited where it hurts, stored in every way that git
stores them and in ways that only another hand would choose.

Everything follows from `Step`s and seeds, so a failing example can be made smaller and made again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.conftest import GIT_AUTHOR
from tests.detect import plain

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
PERSON = "Ada Äuthor <ada@acme.dev>".encode()
WHEN = 1_700_000_000


class Step(NamedTuple):
    """One more version of a text: an edit of an earlier one, `back` versions ago."""

    edit: str
    back: int
    seed: int


# --- texts ---------------------------------------------------------------------------------------------------------------

_ALNUM = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_WORDS = (
    b"aws_secret_access_key = ",
    b"password: ",
    b'"token": "',
    b"export API_KEY=",
    b"heroku ",
    b"secret=",
    b"twilio ",
)
_PLACE = re.compile(
    rb"ghp_|AKIA|-----BEGIN|-----END|secret|token|passw|xox|sk_live|eyJ|glpat-|Z2hw|6768705f|g\0h\0|deadkey:allow|key"
)


def some(rng: Random, alphabet: bytes, size: int) -> bytes:
    return bytes(rng.choices(alphabet, k=size))


@cache
def keys() -> tuple[bytes, ...]:
    """Made-up keys of many lines, and other secrets whose rules look far."""
    rules = [s for s in plain.bench().rules.values() if s.span == "multiline" or s.id in ("jwt", "vault-batch-token")]
    return tuple(plain.check.token_of(spec, plain.bench(), f"{spec.id} far") for spec in rules)


@cache
def nearby() -> tuple[bytes, ...]:
    """Made-up tokens of rules that look no further than a few hundred bytes."""
    rules = {rule.id: rule for rule in plain.compiled()[0]}
    short = [s for s in plain.bench().rules.values() if rules[s.id].back + rules[s.id].forward < 300]
    return tuple(plain.check.token_of(spec, plain.bench(), f"{spec.id} near") for spec in short)


def planted(rng: Random) -> bytes:
    """A secret, or what could be one, often with what belongs beside it, sometimes encoded."""
    if rng.randrange(14) == 0:
        return _far(rng)
    kind = rng.randrange(10)
    if kind < 3:
        data = rng.choice(nearby())
    elif kind < 5:
        data = rng.choice(_WORDS) + rng.choice(nearby())
    elif kind == 5:  # a key's two halves, further and less far apart
        gap = filler(rng, rng.choice((0, 1, 3, 8, 14)))
        key, secret = b"AKIA" + some(rng, _ALNUM[:24].upper(), 16), some(rng, _ALNUM + b"+/", 40)
        data = b"aws_secret_access_key=" + secret + b"\n" + gap + b"aws_access_key_id=" + key
        if rng.randrange(2):
            data = b"id " + key + b"\n" + gap + rng.choice(_WORDS) + secret
    elif kind == 6:
        data = rng.choice(_WORDS) + b'"' + some(rng, _ALNUM, rng.choice((20, 32, 40))) + b'"'
    elif kind == 7:
        data = rng.choice(_WORDS)
    elif kind == 8:
        data = b"AKIA" + some(rng, _ALNUM[:24].upper(), 16)
    else:
        data = some(rng, _ALNUM, rng.choice((3, 33, 40)))
    return data + b"  # deadkey:allow" if rng.randrange(12) == 0 else data


def _far(rng: Random) -> bytes:
    """A key of many lines, another rule's example, or something encoded once or twice."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(keys())
    data = rng.choice(rng.choice((plain.tokens(), plain.settings())))
    for _ in range(rng.choice((0, 1, 1, 2)) if kind > 1 else 0):
        data = rng.choice(plain.ENCODERS)(rng.randbytes(rng.randrange(3)) + data)
    return data


def filler(rng: Random, lines: int) -> bytes:
    """Source text without secrets; no two lines are quite the same."""
    return b"".join(
        b"    value_%d = lookup(table, %d)  # %d\n" % (rng.randrange(99), rng.randrange(999), rng.randrange(9999))
        for _ in range(lines)
    )


def text(rng: Random) -> bytes:
    """A first version: a few hundred bytes up to some kilobytes."""
    out = []
    for _ in range(rng.choice((1, 2, 3, 5))):
        out.append(filler(rng, rng.choice((0, 1, 6, 40, 90))))
        out.append(planted(rng) + rng.choice((b"\n", b"\n", b"", b'"\n', b"\r\n", b" ")))
    return b"".join(out) + filler(rng, rng.choice((0, 0, 5, 60)))


def near(rng: Random, data: bytes) -> int:
    """A place in `data`, most often beside something that looks like a secret."""
    found = [m.start() for m in _PLACE.finditer(data)]
    if not found or rng.randrange(6) == 0:
        return rng.randint(0, len(data))
    at = rng.choice(found) + rng.choice((0, 0, 4, 20, 40, -1, -40, 70, -90, 180, -250, 440, -440, 600, -600, 1500))
    return min(max(at, 0), len(data))


def _insert(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    at = near(rng, data)
    return data[:at] + planted(rng) + b"\n" * rng.randrange(2) + data[at:]


def _delete(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    at = near(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 7, 40, 200, 900)) :]


def _poke(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """A byte or a few more, within or right beside a secret."""
    at = near(rng, data)
    return data[:at] + some(rng, _ALNUM + b"\n ='\"-", rng.choice((1, 1, 2, 9))) + data[at + rng.choice((0, 0, 1, 2)) :]


def _move(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    low = near(rng, data)
    high = min(len(data), low + rng.choice((10, 60, 300, 1000)))
    rest = data[:low] + data[high:] if rng.randrange(3) else data
    at = near(rng, rest)
    return rest[:at] + data[low:high] + rest[at:]


def _mark(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    end = data.find(b"\n", near(rng, data))
    return data if end < 0 else data[:end] + b"  # deadkey:allow" + data[end:]


def _unmark(_rng: Random, data: bytes, _: list[bytes]) -> bytes:
    return data.replace(b"  # deadkey:allow", b"", 1)


def _context(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """A context word goes, or comes."""
    word = rng.choice(_WORDS)
    if word in data and rng.randrange(3):
        return data.replace(word, b"", 1)
    at = near(rng, data)
    return data[:at] + word + data[at:]


def _body(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """Only the body of a key of many lines changes."""
    start, end = data.find(b"-----BEGIN"), data.find(b"-----END")
    if not 0 <= start < end - 80:
        return data + rng.choice(keys())
    at = rng.randrange(start + 40, end - 9)
    return data[:at] + some(rng, _ALNUM, 8) + data[at + 8 :]


def _splice(rng: Random, data: bytes, versions: list[bytes]) -> bytes:
    other = rng.choice(versions)
    return data[: near(rng, data)] + other[near(rng, other) :]


def _ends(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """Something at the very beginning or end comes or goes."""
    piece = planted(rng)
    return rng.choice((data + piece, piece + data, data[: near(rng, data)], data[near(rng, data) :]))


def _noise(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    at = near(rng, data)
    return data[:at] + rng.randbytes(rng.choice((5, 300, 70_000))) + data[at:]


def _far_away(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """An edit that has nothing to do with anything."""
    at = rng.randint(0, len(data))
    return data[:at] + filler(rng, rng.choice((1, 4, 30))) + data[at:]


EDITS: dict[str, Callable[[Random, bytes, list[bytes]], bytes]] = {
    "away": _far_away,
    "poke": _poke,
    "insert": _insert,
    "delete": _delete,
    "move": _move,
    "mark": _mark,
    "unmark": _unmark,
    "context": _context,
    "body": _body,
    "splice": _splice,
    "ends": _ends,
    "noise": _noise,
    "new": lambda rng, _data, _versions: text(rng),
    "empty": lambda _rng, _data, _versions: b"",
}


def versions(steps: Sequence[Step]) -> list[bytes]:
    """What the steps make, one after the other; a version may come twice."""
    out: list[bytes] = []
    for step in steps:
        rng = Random(step.seed)
        out.append(EDITS[step.edit](rng, out[max(0, len(out) - 1 - step.back)], out) if out else text(rng))
    return out


def steps(rng: Random, count: int) -> list[Step]:
    """Steps at random, where no one is to make them smaller."""
    names = list(EDITS)
    return [Step(rng.choice(names), rng.choice((0, 0, 0, 1, 2, 5)), rng.getrandbits(32)) for _ in range(count)]


# --- packs and indexes, written by hand --------------------------------------------------------------------------------


def number(value: int) -> bytes:
    """A size in a delta: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def copy(start: int, length: int) -> bytes:
    """One copy of a delta; 0x10000 bytes are written as none."""
    out, flags = bytearray(), 0x80
    for bit in range(4):
        if byte := start >> 8 * bit & 0xFF:
            flags |= 1 << bit
            out.append(byte)
    for bit in range(3):
        if length != 0x10000 and (byte := length >> 8 * bit & 0xFF):
            flags |= 0x10 << bit
            out.append(byte)
    return bytes([flags, *out])


def delta(base: bytes, target: bytes, rng: Random) -> bytes:
    """A right delta, cut into copies and insertions in no way git would choose: from any of several places in the base,
    in runs cut short, with insertions of what could be copied."""
    out = [number(len(base)), number(len(target))]
    grain = rng.choice((4, 8, 16, 64))
    longest = rng.choice((40, 400, 0x10000, 0x10000, 1 << 20))
    shuns = rng.choice((0.0, 0.0, 0.1, 0.5))
    at, plain_from = 0, 0

    def insert(until: int) -> None:
        for start in range(plain_from, until, 127):
            piece = target[start : min(until, start + 127)]
            out.append(bytes([len(piece)]) + piece)

    start = 0
    while at < len(target):
        seed = target[at : at + grain]
        start = base.find(seed, start) if len(seed) == grain and rng.random() >= shuns else -1
        if start < 0 and len(seed) == grain and rng.random() >= shuns:
            start = base.find(seed) if rng.randrange(4) else base.rfind(seed)
        if start < 0:
            start = 0
            at += rng.choice((1, 1, 1, 5))
            continue
        length = _alike(base, start, target, at, min(longest, len(base) - start, len(target) - at))
        at = min(at, len(target))
        insert(at)
        out.append(copy(start, length))
        at += length
        start += length
        plain_from = at
    insert(len(target))
    return b"".join(out)


def _alike(base: bytes, start: int, target: bytes, at: int, most: int) -> int:
    """How many bytes, up to `most`, are the same in both."""
    low, step = 0, 64
    while low < most:
        size = min(step, most - low)
        if base[start + low : start + low + size] == target[at + low : at + low + size]:
            low += size
            step *= 4
        elif size == 1:
            break
        else:
            step = max(1, size // 2)
            most = low + size if step == 1 else most
            if step == 1:
                while base[start + low] == target[at + low]:
                    low += 1
                break
    return low


def header(kind: int, size: int) -> bytes:
    """What stands before an object in a pack."""
    out = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        out[-1] |= 0x80
        out.append(size & 0x7F)
        size >>= 7
    return bytes(out)


def distance(value: int) -> bytes:
    """How far back a base lies: gitformat-pack(5), "offset encoding"."""
    out = bytearray([value & 0x7F])
    while value := value >> 7:
        value -= 1
        out.insert(0, value & 0x7F | 0x80)
    return bytes(out)


class Stored(NamedTuple):
    """An object in a pack: where it begins, and the checksum of its bytes there."""

    oid: bytes
    offset: int
    crc: int


class PackWriter:
    """Objects one after the other, as they are given; nothing is checked."""

    def __init__(self, algorithm: str = "sha1") -> None:
        self.algorithm = algorithm
        self.body = bytearray(b"PACK\0\0\0\2\0\0\0\0")
        self.stored: list[Stored] = []
        self.at: dict[bytes, int] = {}

    def put(
        self, oid: bytes, kind: int, data: bytes, lead: bytes = b"", level: int = 1, size: int | None = None
    ) -> int:
        """One object; `lead` is what names a delta's base, `size` a lie about its size. Returns its offset."""
        offset = len(self.body)
        self.body += header(kind, len(data) if size is None else size) + lead + zlib.compress(data, level)
        self.stored.append(Stored(oid, offset, zlib.crc32(self.body[offset:])))
        self.at.setdefault(oid, offset)
        return offset

    def against(self, oid: bytes, base: bytes, patch: bytes, by_oid: bool = False, level: int = 1) -> int:
        """A delta whose base stands earlier in this pack, or, named `by_oid`, anywhere."""
        if by_oid:
            return self.put(oid, REF_DELTA, patch, base, level)
        return self.put(oid, OFS_DELTA, patch, distance(len(self.body) - self.at[base]), level)

    def write(self, folder: Path, name: str, version: int = 2, far: bool = False) -> Path:
        """`pack-NAME.pack` and its index, of version 1 or 2; `far` puts every second offset into the table of 64-bit ones.
        Returns the index."""
        self.body[8:12] = len(self.stored).to_bytes(4)
        pack = bytes(self.body)
        pack += hashlib.new(self.algorithm, pack).digest()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"pack-{name}.pack").write_bytes(pack)
        path = folder / f"pack-{name}.idx"
        path.write_bytes(index_of(self.stored, pack[-len(pack) + len(self.body) :], self.algorithm, version, far))
        return path


def index_of(stored: list[Stored], trailer: bytes, algorithm: str, version: int, far: bool) -> bytes:
    """An index as gitformat-pack(5) describes it."""
    rows = sorted(stored)
    counts = [0] * 256
    for row in rows:
        counts[row.oid[0]] += 1
    total, fanout = 0, b""
    for count in counts:
        total += count
        fanout += total.to_bytes(4)
    if version == 1:
        index = fanout + b"".join(r.offset.to_bytes(4) + r.oid for r in rows)
    else:
        large = b""
        small = b""
        for place, row in enumerate(rows):
            if far and place % 2:
                small += (0x80000000 | len(large) // 8).to_bytes(4)
                large += row.offset.to_bytes(8)
            else:
                small += row.offset.to_bytes(4)
        index = b"\xfftOc\0\0\0\2" + fanout + b"".join(r.oid for r in rows)
        index += b"".join(r.crc.to_bytes(4) for r in rows) + small + large
    index += trailer
    return index + hashlib.new(algorithm, index).digest()


# --- repositories --------------------------------------------------------------------------------------------------------


def git(path: Path, *arguments: str, data: bytes = b"") -> bytes:
    """One run of git in the repository at `path`; what it says on standard output."""
    done = subprocess.run(
        ["git", "-c", "core.fsync=none", "-C", str(path), *arguments],
        input=data,
        capture_output=True,
        env={**os.environ, **GIT_AUTHOR},
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def bare(path: Path, algorithm: str = "sha1") -> Path:
    """An empty repository, without asking git for it."""
    for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
        (path / folder).mkdir(parents=True)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    more = "[extensions]\n\tobjectformat = sha256\n" if algorithm == "sha256" else ""
    version = 1 if more else 0
    (path / "config").write_text(f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{more}")
    return path


def oid_of(kind: int, data: bytes, algorithm: str = "sha1") -> bytes:
    return hashlib.new(algorithm, NAMES[kind] + b" %d\0" % len(data) + data).digest()


def put_loose(path: Path, kind: int, data: bytes, algorithm: str = "sha1", level: int = 1) -> Path:
    """A loose object; returns its file."""
    name = oid_of(kind, data, algorithm).hex()
    file = path / "objects" / name[:2] / name[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(NAMES[kind] + b" %d\0" % len(data) + data, level))
    return file


def imported(path: Path, texts: list[bytes], rng: Random, *, algorithm: str, loose: bool, depth: int) -> Path:
    """A repository that `git fast-import` makes of the texts: several branches, merges, moves, deletions, tags."""
    bare(path, algorithm)
    out: list[bytes] = []
    for mark, data in enumerate(texts, 1):
        out.append(b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(data), data))
    branches = (b"refs/heads/main", b"refs/heads/side", b"refs/heads/gone", b"refs/stash")
    commits: list[int] = []
    holds: dict[int, set[bytes]] = {}
    for turn in range(rng.randint(2, 6)):
        mark = 1000 + turn
        message = b"change %d\n\n%s\n" % (turn, planted(rng) if rng.randrange(3) == 0 else b"because")
        lines = [
            b"commit %s\nmark :%d\n" % (branches[0] if not turn else rng.choice(branches), mark),
            b"author %s %d +0200\ncommitter %s %d +0000\n" % (PERSON, WHEN + turn, PERSON, WHEN + turn),
            b"data %d\n%s\n" % (len(message), message),
        ]
        paths: set[bytes] = set()
        if commits:
            first, *others = rng.sample(commits, rng.randint(1, min(3, len(commits))))
            lines += [b"from :%d\n" % first, *(b"merge :%d\n" % other for other in others)]
            paths = set(holds[first])
            for old in sorted(paths):
                change = rng.randrange(6)
                if change == 0:
                    lines.append(b"D %s\n" % old)
                    paths.discard(old)
                elif change == 1:
                    new = b"moved/%d-%s" % (turn, old.rpartition(b"/")[2])
                    lines.append(b'R "%s" "%s"\n' % (old, new))
                    paths.discard(old)
                    paths.add(new)
        for _ in range(rng.randint(1, 4)):
            name = rng.choice((b"conf", b"src/app.py", b"src/key.pem", b"\xc3\xa4 b", b"deep/er/env%d" % turn))
            lines.append(b"M 100644 :%d %s\n" % (rng.randint(1, len(texts)), name))
            paths.add(name)
        holds[mark] = paths
        commits.append(mark)
        out += [*lines, b"\n"]
    message = planted(rng)
    out.append(
        b"tag v1\nfrom :%d\ntagger %s %d +0000\ndata %d\n%s\n"
        % (rng.choice(commits), PERSON, WHEN, len(message), message)
    )
    options = ("-c", f"fastimport.unpackLimit={100_000 if loose else 0}", "-c", "core.compression=1")
    git(path, *options, "fast-import", "--quiet", "--force", f"--depth={depth}", data=b"".join(out) + b"done\n")
    return path


def by_hand(path: Path, texts: list[bytes], rng: Random, *, algorithm: str) -> Path:
    """A repository of packs written here: deltas of any shape against any version, bases before and behind."""
    bare(path, algorithm)
    blobs = list(dict.fromkeys(texts))
    trees: list[bytes] = []
    commits: list[bytes] = []
    for turn in range(rng.randint(1, 5)):
        some_blobs = sorted({b"f%d" % rng.randrange(4): rng.choice(blobs) for _ in range(3)}.items())
        tree = b"".join(b"100644 %s\0%s" % (name, oid_of(BLOB, data, algorithm)) for name, data in some_blobs)
        parents = rng.sample(commits, rng.randint(0, min(2, len(commits))))
        commits.append(
            b"tree %s\n%sauthor %s %d +0200\ncommitter %s %d +0000\n\nchange %d\n%s\n"
            % (
                oid_of(TREE, tree, algorithm).hex().encode(),
                b"".join(b"parent %s\n" % oid_of(COMMIT, p, algorithm).hex().encode() for p in parents),
                *(PERSON, WHEN + turn, PERSON, WHEN + turn, turn),
                planted(rng) if rng.randrange(3) else b"because",
            )
        )
        trees.append(tree)
    tip = oid_of(COMMIT, commits[-1], algorithm).hex()
    (path / "refs/heads/main").write_text(f"{tip}\n")
    tag = b"object %s\ntype commit\ntag v\ntagger %s %d +0000\n\n%s\n" % (tip.encode(), PERSON, WHEN, planted(rng))
    objects = [(BLOB, b) for b in blobs] + [(TREE, t) for t in dict.fromkeys(trees)] + [(COMMIT, c) for c in commits]
    objects.append((TAG, tag))
    packs = [PackWriter(algorithm) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    held: list[list[tuple[int, bytes]]] = [[] for _ in packs]
    waiting: list[list[tuple[int, bytes, bytes]]] = [[] for _ in packs]
    shares = rng.choice((0.0, 0.0, 0.2))
    deltas = rng.choice((0.95, 0.95, 0.6))
    chain = rng.randrange(2)
    for kind, data in objects:
        if rng.random() < shares:
            put_loose(path, kind, data, algorithm)
            if rng.randrange(2):
                continue
        oid = oid_of(kind, data, algorithm)
        which = rng.randrange(len(packs))
        # a delta of fewer than four bytes, as the empty text would need, is none to git
        bases = [b for k, b in held[which] if k == kind and data]
        level = rng.choice((0, 1, 6))
        if not bases or rng.random() > deltas:
            packs[which].put(oid, kind, data, b"", level)
        else:
            base = bases[-1] if chain else rng.choice(bases)
            base_oid = oid_of(kind, base, algorithm)
            patch = delta(base, data, rng)
            if base_oid not in packs[which].at or rng.randrange(6) == 0:
                waiting[which].append((kind, oid, patch))
                packs[which].against(oid, base_oid, patch, True, level)
            else:
                packs[which].against(oid, base_oid, patch, False, level)
        held[which].append((kind, data))
    for turn, pack in enumerate(packs):
        if rng.randrange(3) == 0:
            pack = backwards(pack)
        pack.write(path / "objects/pack", f"{turn:040x}", rng.choice((1, 2, 2)), rng.randrange(3) == 0)
    return path


def backwards(pack: PackWriter) -> PackWriter:
    """The same objects in the opposite order: every delta names its base by id and stands before it."""
    out = PackWriter(pack.algorithm)
    ids = {row.offset: row.oid for row in pack.stored}
    oid_size = hashlib.new(pack.algorithm).digest_size
    ends = [row.offset for row in pack.stored[1:]] + [len(pack.body)]
    for row, end in reversed(list(zip(pack.stored, ends, strict=False))):
        raw = bytes(pack.body[row.offset : end])
        kind = raw[0] >> 4 & 7
        at = 1
        while raw[at - 1] & 0x80:
            at += 1
        if kind == OFS_DELTA:
            back = raw[at] & 0x7F
            while raw[at] & 0x80:
                at += 1
                back = (back + 1 << 7) | raw[at] & 0x7F
            at += 1
            lead = ids[row.offset - back]
        elif kind == REF_DELTA:
            lead = raw[at : at + oid_size]
            at += oid_size
        else:
            lead = b""
        data = zlib.decompress(raw[at:])
        out.put(row.oid, REF_DELTA if lead else kind, data, lead)
    return out


def packs_of(path: Path) -> list[Path]:
    return sorted((path / "objects/pack").glob("*.pack"))


def drop(pack: Path) -> None:
    for file in pack.parent.glob(f"{pack.stem}.*"):
        file.unlink()


def repacked(path: Path, rng: Random) -> None:
    """Everything reachable in new packs; what was there before stays, or goes."""
    before = packs_of(path)
    options = [f"--window={rng.choice((2, 10, 50))}", f"--depth={rng.choice((1, 4, 50, 200))}", "--threads=1"]
    options += ["--no-reuse-delta"] * rng.randrange(2) + ["--delta-base-offset"] * rng.randrange(2)
    options += rng.choice(([], ["--max-pack-size=1m"])) + [f"--index-version={rng.choice((1, 2))}"]
    git(path, "pack-objects", "-q", "--all", *options, str(path / "objects/pack/pack"))
    if rng.randrange(3):
        new = set(packs_of(path)) - set(before)
        for pack in before if new else ():
            drop(pack)


def rewritten(path: Path, rng: Random) -> None:
    """As `git gc` does it, with what it writes beside the packs."""
    settings = ("-c", f"repack.useDeltaBaseOffset={rng.choice(('true', 'false'))}", "-c", "pack.threads=1")
    flags = rng.choice((["-adf", "-b"], ["-Adf", "--write-midx"], ["-d"], ["-adf", "--max-pack-size=1m"]))
    git(path, *settings, "repack", "-q", *flags, f"--window={rng.choice((4, 10, 100))}", "--depth=30")


def indexed_again(path: Path, _rng: Random) -> None:
    """Indexes of version 1."""
    for pack in packs_of(path):
        for other in ("idx", "bitmap", "rev"):
            pack.with_suffix(f".{other}").unlink(missing_ok=True)
        git(path, "index-pack", "--index-version=1", str(pack))


def unpacked(path: Path, rng: Random) -> None:
    """One pack's objects loose, the pack gone or not."""
    pack = rng.choice(packs_of(path))
    aside = path / "aside"
    shutil.copy(pack, aside)
    with aside.open("rb") as file:
        data = file.read()
    drop(pack)
    git(path, "unpack-objects", "-q", data=data)
    if rng.randrange(2):
        shutil.copy(aside, path / "objects/pack/pack-0000000000000000000000000000000000000000.pack")
        git(path, "index-pack", str(path / "objects/pack/pack-0000000000000000000000000000000000000000.pack"))


def many_indexed(path: Path, _rng: Random) -> None:
    git(path, "multi-pack-index", "write")
    git(path, "commit-graph", "write", "--reachable")


def kept(path: Path, rng: Random) -> None:
    """Files beside a pack that say something about it."""
    for pack in packs_of(path):
        pack.with_suffix(rng.choice((".keep", ".promisor", ".mtimes.lock"))).touch()


def lent(path: Path, rng: Random) -> None:
    """The objects stand in another folder, reached over one or two alternates."""
    objects = path / "objects"
    away = path / "lender" / "objects"
    away.parent.mkdir()
    objects.rename(away)
    target = "../lender/objects"
    if rng.randrange(2):
        middle = path / "between" / "objects"
        (middle / "info").mkdir(parents=True)
        (middle / "info/alternates").write_text(f"# further on\n{away}\n")
        target = str(middle)
    for folder in ("pack", "info"):
        (objects / folder).mkdir(parents=True)
    (objects / "info/alternates").write_text(f"{target}\n")
    put_loose(path, BLOB, planted(rng), "sha256" if "sha256" in (path / "config").read_text() else "sha1")


def thin(path: Path, rng: Random) -> None:
    """What a fetch leaves: a first pack, and one that came thin and was completed."""
    shas = git(path, "rev-list", "--all").decode().split()
    tips = git(path, "for-each-ref", "--format=%(objectname) %(refname)").decode().split("\n")
    other = bare(path / "fetched", "sha256" if len(shas[0]) == 64 else "sha1")
    old = rng.choice(shas)
    first = git(path, "pack-objects", "-q", "--revs", "--stdout", data=f"{old}\n".encode())
    git(other, "index-pack", "--stdin", data=first)
    wanted = "".join(f"{x.partition(' ')[0]}\n" for x in tips if x) + f"^{old}\n"
    window = f"--window={rng.choice((10, 60))}"
    rest = git(path, "pack-objects", "-q", "--thin", "--revs", "--stdout", window, data=wanted.encode())
    if int.from_bytes(rest[8:12]):
        git(other, "index-pack", "--stdin", "--fix-thin", data=rest)
    shutil.rmtree(path / "objects")
    (other / "objects").rename(path / "objects")


CHANGES: dict[str, Callable[[Path, Random], None]] = {
    "repacked": repacked,
    "rewritten": rewritten,
    "indexed again": indexed_again,
    "unpacked": unpacked,
    "many indexed": many_indexed,
    "kept": kept,
    "lent": lent,
    "thin": thin,
}
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("by hand",),
    ("by hand",),
    ("by hand",),
    ("by hand", "lent"),
    ("loose",),
    ("imported",),
    ("imported", "repacked"),
    ("imported", "repacked"),
    ("imported", "repacked", "kept"),
    ("imported", "indexed again"),
    ("imported", "rewritten"),
    ("imported", "repacked", "unpacked"),
    ("imported", "repacked", "many indexed"),
    ("imported", "repacked", "lent"),
    ("loose", "repacked"),
    ("imported", "thin"),
)


def repository(path: Path, layout: tuple[str, ...], wanted: Sequence[Step], seed: int) -> Path:
    """The versions of `wanted` in a repository laid out in one of `LAYOUTS`."""
    rng = Random(seed)
    texts = versions(wanted)
    algorithm = rng.choice(("sha1", "sha1", "sha1", "sha256"))
    if layout[0] == "by hand":
        by_hand(path, texts, rng, algorithm=algorithm)
    else:
        imported(path, texts, rng, algorithm=algorithm, loose=layout[0] == "loose", depth=rng.choice((0, 3, 50)))
    for change in layout[1:]:
        CHANGES[change](path, rng)
    return path
