"""What a path says of a secret without a format that stands there.

Asked place by place, when the paths are known: one content can stand at many.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

LOCK = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.ya?ml|bun\.lockb?|composer\.lock|Gemfile\.lock|Cargo\.lock|"
    r"poetry\.lock|Pipfile\.lock|uv\.lock|pdm\.lock|go\.sum|flake\.lock|mix\.lock|pubspec\.lock|Podfile\.lock|packages\.lock\.json|"
    r"gradle\.lockfile|\.terraform\.lock\.hcl|deno\.lock)$"
)
VECTORS = re.compile(
    r"(?:^|/)(?:wycheproof|cavp|nist|kats?|test[-_]?vectors?|vectors)(?:/|[-_.])|[-_]vectors?\.\w+$|(?:^|/)(?:evp|cryptotest|KAT)\w*\.(?:txt|rsp|data)$",
    re.IGNORECASE,
)
TRANSLATION = re.compile(
    r"(?:^|/)(?:locales?|i18n|l10n|lang(?:uage)?s?|translations?|intl|messages)(?:/(?:[^/]+/)*[^/]+|[-_.][\w-]+)"
    r"\.(?:json5?|ya?ml|properties|php|[jt]sx?|xml|ini|txt|csv|toml|rb)$|\.(?:po|pot|xlf|xliff|arb|resx|strings|ftl)$",
    re.IGNORECASE,
)
MINIFIED = re.compile(
    r"[.-]min\.(?:js|css|mjs)$|\.(?:map|svg|css|less|scss|ipynb\.html)$|(?:^|/)bundle\.js$", re.IGNORECASE
)
LOWERED = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|__mocks__|spec|specs|testdata|test[-_]data|fixtures?|mocks?|stubs?|cassettes|snapshots?|__snapshots__|"
    r"examples?|samples?|demos?|docs?|documentation|tutorials?|playground|e2e|benchmarks?|third[-_]party|vendor|node_modules|site-packages)(?:/|$)"
    r"|(?:^|[/_.-])(?:tests?|spec|mock|fixture|example|sample|demo|dist|template|tmpl)(?:[_.-][^/]*)?$|Tests?\.\w+$|_test\.\w+$|(?:^|/)test_[^/]*$"
    r"|\.(?:md|rst|adoc|asciidoc|html?|mdx|example|sample|dist|template|golden|snap|har|ipynb)$",
    re.IGNORECASE,
)


SETTINGS = re.compile(
    r"(?:^|/)(?:\.?env(?:rc)?(?:\.[\w-]+)*|[\w.-]+\.(?:env|properties|ini|cfg|conf|cnf|toml|tfvars)|(?:Docker|Container)file[\w.-]*)$",
    re.IGNORECASE,
)


@lru_cache(20_000)
def settings(path: str) -> bool:
    """Whether the file holds settings, so that a password made of words may be a real one: no test, example or document."""
    return SETTINGS.search(path) is not None and LOWERED.search(path) is None


@lru_cache(20_000)
def refused(path: str) -> str:
    """Why nothing without a format is a secret in a file of that name; "" for most."""
    if LOCK.search(path):
        return "a lock file"
    if VECTORS.search(path):
        return "a test vector"
    if TRANSLATION.search(path):
        return "a translation"
    if MINIFIED.search(path):
        return "minified code or a style sheet"
    return ""


@lru_cache(20_000)
def lowered(path: str, more: Sequence[str] = ()) -> bool:
    """Whether what stands there is rather a test's, an example's or somebody else's; `more` are globs of the user's."""
    return LOWERED.search(path) is not None or any(fnmatchcase(path, glob) for glob in more)
