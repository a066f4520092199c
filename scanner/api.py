"""deadkey as a library: one function, with the command line's options as keywords.

>>> from scanner import scan
>>> scan("nothing in here").findings
()
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from scanner.model import DeadkeyError, Finding, Incomplete, Location, Report

if TYPE_CHECKING:
    from scanner.pipeline import Options
    from scanner.ruleset.ruleset import Ruleset
    from scanner.sources.interface import Source

Path = str | os.PathLike[str]

__all__ = ["DeadkeyError", "Finding", "Incomplete", "Location", "Report", "scan"]

_loaded = threading.local()


def scan(
    text: str | bytes | None = None,
    *,
    name: str | None = None,
    files: Path | Sequence[Path] | None = None,
    git: Path | None = None,
    rules: Sequence[Path] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    min_confidence: str = "low",
    verify: bool = False,
    baseline: Path | None = None,
    config: Path | None = None,
    jobs: int = 1,
) -> Report:
    """Look for secrets in exactly one of `text`, `files` and `git`, the whole history of a repository.

    `name` is the path that `text` is said to stand at: it decides how sure a secret without a format is, as a file's does.
    `files` is one path or several, of files or folders, archives opened. The rest is what the options of these names are on
    the command line: folders of `rules` beside the shipped ones; `only` and `skip`, globs of rule ids; `min_confidence` low,
    medium or high; `verify`, which asks the issuers; `baseline`, a file of known secrets to leave out; `config`, instead of
    the user's own; `jobs`, worker processes, 0 for one a core.

    Of the report, `findings` holds each distinct secret with its places, and `skipped` what could not be read. Raises
    DeadkeyError, with one line that says what to do, for bad arguments, rules, paths or configuration. Rules are read once
    a thread; any number of threads may scan.
    """
    from scanner import config as configuration
    from scanner import pipeline
    from scanner.allow import baseline as known

    for option, given in (("rules", rules), ("only", only), ("skip", skip)):
        if isinstance(given, str):
            raise DeadkeyError(f"{option}={given!r}: give a list, as in {option}=[{given!r}]")
    source = _source(text, name, files, git)
    settings = configuration.load(os.fspath(config) if config is not None else None)
    folders = tuple(os.fspath(folder) for folder in rules)
    options = pipeline.Options(folders, tuple(only), tuple(skip), min_confidence, jobs, generic=settings.generic)
    ruleset = _rules(options)
    pipeline.check_names(ruleset, options)
    read = known.read(os.fspath(baseline)) if baseline is not None else None
    key = read.key if read else known.own_key(configuration.state_folder(), settings.fingerprint_key)
    report, _ = pipeline.scan(source, ruleset, options, key, None, settings.allow)
    if any(skipped.reason.startswith(pipeline.INTERRUPTED) for skipped in report.skipped):
        raise KeyboardInterrupt
    if read:
        fresh = tuple(finding for finding in report.findings if finding.fingerprint not in read.known)
        count = {"known": len(report.findings) - len(fresh)}
        report = replace(report, findings=fresh, statistics={**report.statistics, **count})
    if verify:
        asked = pipeline.act(report.findings, ruleset, settings, False, lambda *_: False, lambda _: None)
        report = replace(report, findings=tuple(asked))
    return report


def _source(
    text: str | bytes | None, name: str | None, files: Path | Sequence[Path] | None, git: Path | None
) -> Source:
    if sum(given is not None for given in (text, files, git)) != 1:
        raise DeadkeyError("give exactly one of text, files and git")
    if name is not None and text is None:
        raise DeadkeyError("name= is the path that a text is said to stand at; files and git have their own")
    if text is not None:
        if not isinstance(text, (str, bytes)):
            raise DeadkeyError(f"text must be str or bytes, not {type(text).__name__}; for a path write files=")
        from scanner.sources.text import TextSource

        return TextSource(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"), name)
    if git is not None:
        from scanner.sources.git.packed import PackedSource
        from scanner.sources.git.run import open_repository

        return PackedSource.open(open_repository(os.fspath(git)))
    from scanner.sources.files import FilesSource

    paths = [files] if isinstance(files, (str, os.PathLike)) else list(files or ())
    return FilesSource(tuple(os.fspath(path) for path in paths))


def _rules(options: Options) -> Ruleset:
    """The rules, loaded once a thread: what searches for anchors is not to be shared."""
    from scanner import pipeline

    known: dict[object, Ruleset] = _loaded.__dict__.setdefault("rulesets", {})
    wanted = (options.rules, options.generic.keys)
    if wanted not in known:
        known[wanted] = pipeline.load_rules(options)
    return known[wanted]
