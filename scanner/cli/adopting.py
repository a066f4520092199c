"""Writing what was adopted: allowances, rules, and the fingerprints of secrets that another scanner knows by their place.

A place names a line of a file, as it is now or in a commit. It is read again, and what deadkey finds there is what is known.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scanner.adopt.interface import Adopted, Lines, Spot
from scanner.allow import baseline
from scanner.allow.baseline import Known
from scanner.model import Chunk, DeadkeyError, Location, Origin, Sighting
from scanner.report.text import count

HEADER = "# Carried over by `deadkey import`. What an allowance is: docs/allowing.md of deadkey.\n"


class Places(NamedTuple):
    """The repository, and where things are written."""

    repo: str
    allowances: Path
    baseline: str
    rules: Path


def check_free(places: Places) -> None:
    """Raises DeadkeyError where a file would have to be overwritten."""
    for path, option in ((places.allowances, "--allowances"), (places.rules, "--rules")):
        if os.path.lexists(path):
            raise DeadkeyError(f"{path}: is there already; write elsewhere with {option}, and join the two by hand")


def written(adopted: Adopted, places: Places, files: Sequence[str]) -> list[str]:
    """Write it all; what was carried over and what was not, a line each. Raises DeadkeyError."""
    notes: list[str] = list(adopted.notes)
    rules = _sound(adopted.rules, notes)
    said = []
    if rules:
        file = {"provider": "Imported", "home": "https://owasp.org", "rules": rules}
        _write(places.rules, file)
        said.append(f"{places.rules}: {count(len(rules), 'rule')}; scan with --rules {places.rules.parent}")
    bench = _Bench(places, (str(places.rules.parent),) if rules else ())
    known: dict[str, Known] = {}
    for fingerprint, entry in (*bench.spots(adopted.spots, notes), *bench.lines(adopted.lines, notes)):
        if entry.label or fingerprint not in known:  # of two that name one secret, the one with a judgement
            known[fingerprint] = entry
    dropped = {rule["id"] for rule in adopted.rules} - {rule["id"] for rule in rules}
    allowances = [_without(a, dropped) for a in [*adopted.allowances, *bench.files_themselves(files)]]
    allowances = [a for n, a in enumerate(allowances) if a not in allowances[:n]]
    if allowances:
        _write(places.allowances, {"allowances": allowances})
        said.append(f"{places.allowances}: {count(len(allowances), 'allowance')}")
    if known:
        bench.add(known)
        said.append(f"{places.baseline}: {count(len(known), 'known secret')}; scan with --baseline {places.baseline}")
    return [*(said or ["nothing was carried over"]), *notes]


def _without(allowance: dict[str, Any], dropped: set[str]) -> dict[str, Any]:
    """The allowance without the rules that could not be carried over."""
    kept = [rule for rule in allowance.get("rules", []) if rule not in dropped]
    return {**allowance, "rules": kept} if kept else allowance


def _write(path: Path, record: dict[str, Any]) -> None:
    import yaml

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8") as out:
            out.write(HEADER + yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=110))
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot be written: {e.strerror}") from e


def _sound(rules: Sequence[dict[str, Any]], notes: list[str]) -> list[dict[str, Any]]:
    """The rules that compile; why another does not is noted."""
    from pydantic import ValidationError

    from scanner.ruleset.compile import build, compile_rules
    from scanner.ruleset.schema import RuleFile

    kept: list[dict[str, Any]] = []
    for rule in rules:
        try:
            if any(rule["id"] == other["id"] for other in kept):
                raise ValueError("another rule has that id")
            file = RuleFile.model_validate({"provider": "Imported", "home": "https://owasp.org", "rules": [rule]})
            build(compile_rules([file])[1])
        except ValidationError as e:
            notes.append(f"rule {rule['id']}: not carried over: {e.errors()[0]['msg']}")
        except (DeadkeyError, ValueError) as e:
            notes.append(f"rule {rule['id']}: not carried over: {e}")
        else:
            kept.append(rule)
    return kept


class _Bench:
    """Reads places again, with deadkey's rules and those that were carried over."""

    def __init__(self, places: Places, folders: tuple[str, ...]) -> None:
        from scanner import pipeline
        from scanner.sources.git.run import Repository

        self.places = places
        self.there = os.path.lexists(places.baseline)
        self.key = baseline.read(places.baseline).key if self.there else baseline.new_key()
        options = pipeline.Options(rules=folders)
        self.scanner = pipeline.Scanner(pipeline.load_rules(options), options)
        self.repository = Repository(places.repo)
        self.read: dict[tuple[str, str | None], tuple[bytes, list[Sighting]] | None] = {}

    def add(self, known: dict[str, Known]) -> None:
        if self.there:
            before = baseline.read(self.places.baseline).known
            known = {f: k for f, k in known.items() if k.label or f not in before}
            baseline.write(self.places.baseline, known)
        else:
            baseline.create(self.places.baseline, self.key, known)

    def seen(self, path: str, commit: str | None = None) -> tuple[bytes, list[Sighting]] | None:
        """The content of a file, now or in a commit, and what is found in it. None where there is no such file."""
        if (path, commit) not in self.read:
            content = self._content(path, commit)
            chunk = Chunk(content, Origin("files", path)) if content is not None else None
            self.read[path, commit] = (chunk.data, self.scanner.chunk(chunk)) if chunk else None
        return self.read[path, commit]

    def _content(self, path: str, commit: str | None) -> bytes | None:
        from scanner.sources.around import around

        if commit is None:
            inside = os.path.normpath(path)
            if os.path.isabs(inside) or inside.split(os.sep)[0] == "..":
                return None
            return around(Location("files", inside, 1, 1, 1, 1), self.places.repo, None)
        status, found, _ = self.repository.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}"
        )
        if status:
            return None
        blob = found.decode("ascii").strip()
        return around(Location("git", path, 1, 1, 1, 1, blob), self.places.repo, self.repository)

    def spots(self, spots: Sequence[Spot], notes: list[str]) -> Iterator[tuple[str, Known]]:
        """Fingerprints of what stands at the spots; a spot without anything is noted."""
        for spot in spots:
            seen = self.seen(spot.path, spot.commit)
            if seen is None:
                notes.append(
                    f"{spot.where}: not carried over: there is no such file" + " in that commit" * bool(spot.commit)
                )
                continue
            found = [s for s in seen[1] if spot.sha1 and _sha1(s) == spot.sha1.lower()]
            found += [s for s in seen[1] if s.location.start_line <= spot.line <= s.location.end_line]
            if not found:
                notes.append(f"{spot.where}: nothing to carry over: deadkey finds no secret there")
            for sighting in found:
                yield sighting.match.secret.fingerprint(self.key), Known(sighting.match.rule, spot.label)

    def lines(self, lines: Sequence[Lines], notes: list[str]) -> Iterator[tuple[str, Known]]:
        """Fingerprints of what stands today, in the work tree, on lines that match."""
        if not lines:
            return
        names = self._names()
        for given in lines:
            found = dict(self._on_lines(given, names))
            notes.append(
                f"{given.where}: patterns of lines are no allowances of deadkey's: the secrets that stand on such lines today "
                f"({len(found)}) are known, later ones are not"
            )
            yield from found.items()

    def _names(self) -> list[str]:
        from scanner.model import Skip
        from scanner.sources.files import FilesSource

        paths = (item.path for item in FilesSource((self.places.repo,)).items() if not isinstance(item, Skip))
        return [os.path.relpath(path, self.places.repo) for path in paths]

    def _on_lines(self, given: Lines, names: Sequence[str]) -> Iterator[tuple[str, Known]]:
        from fnmatch import fnmatchcase

        import regex

        patterns = [regex.compile(p.encode()) for p in given.patterns]
        paths = [regex.compile(p.encode()) for p in given.path_patterns]
        for name in names:
            if paths and not any(p.search(os.fsencode(name), timeout=1) for p in paths):
                continue
            content, sightings = self.seen(name) or (b"", [])
            rows = content.split(b"\n")
            for s in sightings:
                row = b"\n".join(rows[s.location.start_line - 1 : s.location.end_line])
                wanted = not given.rules or any(fnmatchcase(s.match.rule, glob) for glob in given.rules)
                if wanted and any(p.search(row, timeout=1) for p in patterns):
                    yield s.match.secret.fingerprint(self.key), Known(s.match.rule)

    def files_themselves(self, files: Sequence[str]) -> Iterator[dict[str, Any]]:
        """An allowance for each imported file in which deadkey finds something: hashes, and values that were allowed."""
        for name in files:
            inside = os.path.relpath(os.path.abspath(name), os.path.abspath(self.places.repo))
            seen = None if inside.startswith("..") else self.seen(inside)
            if seen and seen[1]:
                yield {"paths": ["/" + _escaped(inside)], "reason": "a list of what another scanner was told"}


def _escaped(path: str) -> str:
    """A path as a line of a `.gitignore` that means it and nothing else."""
    return "".join("\\" + c if c in "\\*?[ " else c for c in path.replace(os.sep, "/"))


def _sha1(sighting: Sighting) -> str:
    """As detect-secrets writes it: a name for a value, not a protection."""
    return hashlib.sha1(sighting.match.secret.reveal(), usedforsecurity=False).hexdigest()
