"""Wires the rooms together: a source's chunks through detection and allowances to findings, then verdicts and outcomes.

The only module that knows them all.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanner.allow.inline import allowed
from scanner.allow.listed import unlisted
from scanner.detect.engine import Engine, Explain
from scanner.detect.generic.settings import USUAL, Generic
from scanner.detect.locate import locate
from scanner.model import LEVELS, Chunk, DeadkeyError, Finding, Location, Origin, Report, Secret, Sighting, Skip
from scanner.ruleset import cache
from scanner.ruleset.ruleset import Rule, Ruleset
from scanner.sources.interface import Aside, Item, Share, Source, Tally, Told, alone

if TYPE_CHECKING:
    from scanner.allow.allowances import Allowances
    from scanner.config import Allow, Config
    from scanner.revoke.approval import Approved
    from scanner.ruleset.check import Bench
    from scanner.ruleset.schema import RuleFile, RuleSpec

POOLED = 16 << 20
"""Bytes below which worker processes cost more than they bring."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 64 << 20
"""Bytes that a worker does not give back to the system between two objects."""
INTERRUPTED = "interrupted after"
"""How the reason of the Skip begins that a Ctrl-C leaves."""
BATCH = 4 << 20
"""Bytes of small items that travel to a worker together."""
BATCH_ITEMS = 256


@dataclass(frozen=True, slots=True)
class Options:
    """What every scan understands. `jobs` 0 means one a core."""

    rules: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    min_confidence: str = "low"
    jobs: int = 0
    explain: bool = False
    generic: Generic = USUAL

    def wants(self, rule: Rule) -> bool:
        def named(globs: tuple[str, ...]) -> bool:
            return any(fnmatch.fnmatchcase(rule.id, g) for g in globs)

        return (
            (self.generic.enabled or not rule.scored)
            and LEVELS[rule.confidence] >= LEVELS[self.min_confidence]
            and (not self.only or named(self.only))
            and not named(self.skip)
        )


@dataclass(slots=True)
class Found:
    """What reading a source brought, before secrets are put together."""

    sightings: list[Sighting] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    aside: list[Any] = field(default_factory=list)
    bytes: int = 0
    chunks: int = 0

    def add(self, other: Found) -> None:
        self.sightings += other.sightings
        self.skips += other.skips
        self.explained += other.explained
        self.aside += other.aside
        self.bytes += other.bytes
        self.chunks += other.chunks


Progress = Callable[[int, int], None]
"""Told of bytes done and bytes in all, 0 where nobody knows."""


class Scanner:
    """Detection and allowances for one chunk after the other; one per process."""

    def __init__(self, ruleset: Ruleset, options: Options, patient: bool = False) -> None:
        """A `patient` one also brings what lacks a companion that another file may hold."""
        self._explained: list[str] = []
        self._where = ""
        self.passed: Callable[[int], None] | None = None
        """Told of the bytes of each chunk that was read."""
        explain: Explain | None = self._note if options.explain else None
        self.engine = Engine(ruleset, options.wants, explain, patient)

    def _note(self, rule: Rule, span: tuple[int, int], value: bytes, reason: str) -> None:
        self._explained.append(
            f"{self._where}: bytes {span[0]}-{span[1]}: {rule.id} {Secret(value)}: {reason or 'kept'}"
        )

    def chunk(self, chunk: Chunk) -> list[Sighting]:
        self._where = chunk.origin.path or chunk.origin.blob or chunk.origin.commit or chunk.origin.source
        matches = self.engine.scan(chunk)
        return locate(chunk, matches, allowed) if matches else []

    def item(self, source: Source, item: Item) -> Found:
        """One item of a source; a source that can walk is handed the engine for it."""
        walk = getattr(source, "walk", None)
        return self.read(walk(item, self.engine) if walk else source.read(item))

    def read(self, pieces: Iterable[Chunk | Skip | Told | Tally | Aside]) -> Found:
        found = Found()
        for piece in pieces:
            if isinstance(piece, Skip):
                found.skips.append(piece)
                continue
            if isinstance(piece, Tally):
                found.bytes += piece.bytes
                found.chunks += piece.chunks
                continue
            if isinstance(piece, Aside):
                found.aside.append(piece.known)
                continue
            if isinstance(piece, Told):
                found.sightings += locate(piece.chunk, self.engine.settled(piece.pairs), allowed)
                continue
            found.bytes += len(piece.data)
            found.chunks += 1
            found.sightings += self.chunk(piece)
            if self.passed:
                self.passed(len(piece.data))
            for rule, span in self.engine.gave_up:
                found.skips.append(Skip(self._where, f"rule {rule} took too long on bytes {span[0]} to {span[1]}"))
            self.engine.gave_up.clear()
            if self.engine.crowded:
                crowd = f"{self.engine.crowded} more places that look like secrets were not judged: there are too many"
                found.skips.append(Skip(self._where, crowd))
                self.engine.crowded = 0
        found.explained, self._explained = self._explained, []
        return found


def load_rules(options: Options) -> Ruleset:
    """The shipped rules and the user's. Raises DeadkeyError."""
    more = None
    if options.generic.keys:
        from scanner.ruleset.keywords import rule_file

        more = rule_file(options.generic.keys)
    return cache.get(tuple(Path(folder) for folder in options.rules), more)


def check_names(ruleset: Ruleset, options: Options) -> None:
    """Raises DeadkeyError for an `only` or `skip` that names no rule, or a confidence that is none."""
    for option, globs in (("--only", options.only), ("--skip", options.skip)):
        for glob in globs:
            if not any(fnmatch.fnmatchcase(rule, glob) for rule in ruleset.by_id):
                raise DeadkeyError(f"{option} {no_rule(glob, ruleset.by_id)}")
    if options.min_confidence not in ("low", "medium", "high"):
        raise DeadkeyError(f"no such confidence: {options.min_confidence!r} (there are low, medium, high)")


def no_rule(name: str, rules: Iterable[str]) -> str:
    """What to say of a name that no rule has: the nearest one, or where they are listed."""
    import difflib

    near = difflib.get_close_matches(name, list(rules), 1)
    return f"{name}: no such rule; {f'did you mean {near[0]}?' if near else '`deadkey rules list` shows them'}"


def read(source: Source, ruleset: Ruleset, options: Options, progress: Progress | None = None) -> Found:
    """Everything in `source`, spread over processes where it is worth it. Ends early, with a Skip, on Ctrl-C."""
    found = Found()
    items: list[Item] = []
    for item in source.items():
        if isinstance(item, Skip):
            found.skips.append(item)
        else:
            items.append(item)
    total = sum(item.size for item in items)
    jobs = options.jobs or cores()
    pooled = jobs > 1 and total >= POOLED and len(items) > 1
    done = inside = number = 0

    def passed(count: int) -> None:
        """A chunk of the item that is being read: one file may be most of the work."""
        nonlocal inside
        inside += count
        if progress and (not total or inside < items[number].size):
            progress(done + inside, total)

    try:
        parts = (
            _pooled(source, ruleset, options, items, jobs)
            if pooled
            else _alone(source, ruleset, options, items, passed if progress else None)
        )
        for part, size in parts:
            found.add(part)
            done += size
            number, inside = number + 1, 0
            if progress:
                progress(done, total)
    except KeyboardInterrupt:
        found.skips.append(Skip("scan", f"{INTERRUPTED} {done} of {total} bytes"))
    return found


def share(jobs: int) -> Share:
    """Spreads calls over as many processes, where these can be forked; a few calls are made here."""
    import multiprocessing

    if jobs == 1 or not _forks():
        return alone

    def spread(function: Callable[[Any], Any], arguments: list[Any]) -> Iterator[Any]:
        if len(arguments) < 2 * jobs:
            yield from alone(function, arguments)
            return
        with multiprocessing.get_context("fork").Pool(jobs, _start_sharing, (function,)) as pool:
            yield from pool.imap_unordered(_shared, arguments)

    return spread


_function: Callable[[Any], Any] | None = None


def _start_sharing(function: Callable[[Any], Any]) -> None:
    global _function
    _quiet()
    _function = function


def _shared(argument: Any) -> Any:
    assert _function
    return _function(argument)


def _quiet() -> None:
    """Leave Ctrl-C to the process that started this one, and keep what is freed: it is needed again for the next object."""
    import ctypes
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError, TypeError):  # glibc's alone; the numbers are those of mallopt(3)
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def _forks() -> bool:
    """Whether processes can be forked safely: what they share then costs nothing to hand over."""
    return os.name == "posix" and os.uname().sysname == "Linux"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _alone(
    source: Source, ruleset: Ruleset, options: Options, items: list[Item], passed: Callable[[int], None] | None = None
) -> Iterator[tuple[Found, int]]:
    scanner = Scanner(ruleset, options, hasattr(source, "beside"))
    scanner.passed = passed
    for item in items:
        yield scanner.item(source, item), item.size


_worker: tuple[Source, Scanner] | None = None


def _start_worker(source: Source, ruleset: Ruleset | None, options: Options) -> None:
    global _worker
    _quiet()
    _worker = (source, Scanner(ruleset or load_rules(options), options, hasattr(source, "beside")))


def _work(batch: list[Item]) -> tuple[Found, int]:
    assert _worker
    source, scanner = _worker
    found = Found()
    for item in batch:
        found.add(scanner.item(source, item))
    return found, sum(item.size for item in batch)


def _pooled(
    source: Source, ruleset: Ruleset, options: Options, items: list[Item], jobs: int
) -> Iterator[tuple[Found, int]]:
    import multiprocessing

    forks = _forks()
    context: Any = multiprocessing.get_context("fork" if forks else "spawn")
    with context.Pool(jobs, _start_worker, (source, ruleset if forks else None, options)) as pool:
        yield from pool.imap(_work, _batches(items))


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size
        if size >= BATCH or len(batch) >= BATCH_ITEMS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def findings(sightings: Sequence[Sighting], ruleset: Ruleset, key: bytes) -> list[Finding]:
    """One finding a distinct secret, of the most specific rule that saw it, with every place where it stands."""
    grouped: dict[Secret, list[Sighting]] = {}
    for sighting in sightings:
        grouped.setdefault(sighting.match.secret, []).append(sighting)
    out = []
    for secret, group in grouped.items():
        best = min(
            group,
            key=lambda s: (
                *(ruleset.by_id[s.match.rule].rank, -len(s.match.companions), len(s.match.encoding)),
                _order(s.location),
            ),
        )
        rule = ruleset.by_id[best.match.rule]
        places = sorted(dict.fromkeys(s.location for s in group), key=_order)
        out.append(
            Finding(
                rule=rule.id,
                provider=rule.provider,
                name=rule.name,
                severity=rule.severity,
                confidence=max(
                    (s.confidence or rule.confidence for s in group if s.match.rule == rule.id), key=LEVELS.__getitem__
                ),
                secret=secret,
                fingerprint=secret.fingerprint(key),
                locations=tuple(places),
                encoding=best.match.encoding,
                companions=best.match.companions,
                rivals=best.match.rivals,
                rotate=rule.rotate,
                around=tuple(dict.fromkeys(s.match.around for s in group if s.match.around)),
            )
        )
    paired = {secret for finding in out for _, secret in finding.companions}
    out = [f for f in out if not (ruleset.by_id[f.rule].half and f.secret in paired)]
    return sorted(out, key=lambda f: _order(f.locations[0]))


def _order(place: Location) -> tuple[Any, ...]:
    return (
        place.date or "",
        place.path or "",
        place.start_line,
        place.start_column,
        place.commit or "",
        place.blob or "",
    )


def scan(
    source: Source,
    ruleset: Ruleset,
    options: Options,
    key: bytes,
    progress: Progress | None = None,
    allow: Allow | None = None,
    allowances: Allowances | None = None,
) -> tuple[Report, list[str]]:
    """Read a source and put its secrets together; the second value is what `--explain` prints."""
    started = time.perf_counter()
    source, found = _looked(source, ruleset, options, progress)
    kept = [s for s in found.sightings if s.allowed is None]
    spared = len(found.sightings) - len(kept)
    skips = found.skips
    if kept and hasattr(source, "resolve"):
        kept, more = source.resolve(kept, share(options.jobs or cores()), found.aside)
        skips = skips + more
    if kept and (beside := getattr(source, "beside", None)):
        from scanner.detect.beside import complete

        kept = [s for s in complete(kept, Engine(ruleset), beside) if not s.match.lacking]
    if allow is not None:  # place by place, once the paths are known
        shown = unlisted(kept, allow.paths, allow.rules, allow.values)
        shown = allowances.shown(shown) if allowances is not None else shown
        spared, kept = spared + len(kept) - len(shown), shown
    kept = placed(kept, ruleset, options, found.explained)
    return report(kept, skips, found, ruleset, key, started, spared), found.explained


def placed(
    sightings: list[Sighting], ruleset: Ruleset, options: Options, explained: list[str] | None = None
) -> list[Sighting]:
    """The sightings with the confidence they have where they stand, those below the least wanted left out."""
    if not any(ruleset.by_id[s.match.rule].scored for s in sightings):
        return sightings
    from scanner.detect.generic.grade import graded

    explain = explained.append if options.explain and explained is not None else None
    return graded(sightings, ruleset, options.generic, options.min_confidence, explain)


def _looked(source: Source, ruleset: Ruleset, options: Options, progress: Progress | None) -> tuple[Source, Found]:
    """The source to report on, and what it holds. One that must be read twice is handed the means for a first look."""
    revisit = getattr(source, "revisit", None)
    if revisit is None:
        return source, read(source, ruleset, options, progress)
    first = Found()

    def survey(new: Source, *, every: bool = False) -> tuple[list[Sighting], list[Skip]]:
        generic = replace(options.generic, enabled=True)
        unlimited = replace(options, only=(), skip=(), min_confidence="low", explain=False, generic=generic)
        part = read(new, ruleset, unlimited if every else options, progress)
        first.add(part)
        return part.sightings, part.skips

    chosen: Source = revisit(ruleset.digest, survey, share(options.jobs or cores()))
    found = read(chosen, ruleset, replace(options, explain=False), progress)
    found.explained = first.explained
    found.bytes += first.bytes
    found.chunks += first.chunks
    found.skips = list(dict.fromkeys(found.skips))
    return chosen, found


def report(
    kept: Sequence[Sighting],
    skips: Sequence[Skip],
    found: Found,
    ruleset: Ruleset,
    key: bytes,
    started: float,
    spared: int,
) -> Report:
    statistics = {
        "bytes": found.bytes,
        "chunks": found.chunks,
        "seconds": round(time.perf_counter() - started, 3),
        "allowed": spared,
        "rules": len(ruleset.rules),
    }
    return Report(tuple(findings(kept, ruleset, key)), tuple(skips), statistics)


def act(
    found: Sequence[Finding],
    ruleset: Ruleset,
    config: Config,
    revoking: bool,
    confirm: Callable[[Finding, str], bool],
    say: Callable[[str], None],
    approved: Approved | None = None,
) -> list[Finding]:
    """Ask the issuers, and with `revoking` go on to what the settings' mode or an approved plan says; then tell those
    who are to be told. Raises DeadkeyError."""
    from scanner.verify.live import verify

    done = verify(found, ruleset.actions, config.verify)
    if revoking:
        from scanner.revoke.execute import revoke

        done = revoke(done, ruleset.actions, config.revoke, config.verify, confirm=confirm, say=say, approved=approved)
    if config.notify and not config.revoke.dry_run:
        from scanner.revoke.notify.send import notify

        notify(done, config.notify, config.verify, say)
    return done


def rule_bench(folders: tuple[Path, ...] = ()) -> tuple[dict[str, RuleFile], Bench]:
    """The shipped rule files and those in `folders` by name, and what checking and example making needs."""
    from scanner.detect.checksums import CHECKSUMS
    from scanner.detect.judge import judge_value
    from scanner.ruleset import check
    from scanner.ruleset.load import load
    from scanner.verify.template import variables

    files = cache.read_files((cache.shipped(), *folders))
    loaded = load(files)
    ruleset = cache.compiled(files, "", None)
    engine = Engine(ruleset)

    def find(text: bytes) -> list[tuple[str, bytes]]:
        return [(m.rule, m.secret.reveal()) for m in engine.scan(Chunk(text, Origin("check")))]

    def good(spec: RuleSpec, value: bytes) -> bool:
        return not judge_value(ruleset.by_id[spec.id], value)

    def slow(spec: RuleSpec, text: bytes) -> bool:
        return engine.tires(spec.id, text)

    rules = {spec.id: spec for file in loaded for spec in file.rules}
    bench = check.Bench(find, good, lambda name: CHECKSUMS[name].seal, variables, rules, slow)
    return dict(zip(files, loaded, strict=True)), bench


def check_rules(folders: tuple[Path, ...] = ()) -> tuple[int, list[str]]:
    """How many rules there are, and every fault of theirs, shipped and in `folders`."""
    from scanner.ruleset.check import check

    files, bench = rule_bench(folders)
    return len(bench.rules), [f"{name}: {fault}" for name, file in files.items() for fault in check(file, bench)]
