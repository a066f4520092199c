"""Environment variables: env files, compose files, Kubernetes Secrets, units, shell profiles, and running processes.

Each value that a format defines comes as `KEY=value`, decoded, so that detection sees what the program would see. The
file comes once more with these values blanked, so that comments and whatever was not understood are looked at too and
nothing is seen twice.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from scanner.model import Chunk, DeadkeyError, Origin, Skip
from scanner.sources.files import check_exists, open_regular, reason, walk
from scanner.sources.interface import Item
from scanner.sources.windows import read_up_to, windows

if TYPE_CHECKING:
    from yaml.nodes import Node

KIND = "env"
PARSED = 4 << 20
"""Bytes of a file that is parsed; a larger one is read as it stands."""
PARSED_YAML = 1 << 20
DEPTH = 64
"""Nesting of YAML that is parsed: libyaml's composer overruns the C stack on files that are made for it."""
NODES = 200_000
"""Parts of YAML that is parsed."""
QUOTED = 128 << 10
"""The longest quoted value, in bytes."""

_BY_NAME = re.compile(
    r"(\.env(\..+)?|.*\.env|env|(docker-)?compose.*\.ya?ml|\.envrc"
    r"|\.(bash|zsh|k)?(rc|profile|env|login|logout)|\.bash_(profile|login|logout|aliases)|\.zlogin|\.t?cshrc)"
)
_BY_CONTENT = (
    (re.compile(r".*\.ya?ml"), re.compile(rb"^[ \t-]*[\"']?kind[\"']?:[ \t]*[\"']?Secret\b", re.MULTILINE)),
    (re.compile(r".*\.(service|conf)"), re.compile(rb"^[ \t]*Environment[ \t]*=", re.MULTILINE)),
    (
        re.compile(r".*\.(sh|bash|zsh|ksh|fish)"),
        re.compile(rb"^[ \t]*(export|set -\w{0,4}x)[ \t]+\w", re.MULTILINE),
    ),
)
_SHELL = re.compile(r".*\.(sh|bash|zsh|ksh)|\.envrc|\.\w*(rc|profile|login|logout)|\.bash_\w+|\.zshenv")


class Value(NamedTuple):
    """A variable: its decoded value, and the bytes `begin` to `end` of the file that spell it."""

    key: bytes
    value: bytes
    begin: int
    end: int


@dataclass(frozen=True)
class EnvSource:
    """Files by name, whatever they are called, and what looks like env in folders, the current one if none is named."""

    paths: tuple[str, ...] = ()
    kind: str = KIND

    def items(self) -> Iterator[Item | Skip]:
        """The files. Raises DeadkeyError for a path that does not exist."""
        for path in dict.fromkeys(self.paths or (".",)):
            status = check_exists(path, links=True)
            if isinstance(status, Skip):
                yield status
            elif stat.S_ISDIR(status.st_mode):
                yield from walk(path, looks_like_env)
            else:
                yield Item(path, status.st_size)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """The variables of one file, then the rest of it."""
        origin = Origin(self.kind, item.path)
        try:
            with open_regular(item.path, links=item.path in self.paths) as file:
                data = read_up_to(file, PARSED + 1)
                if len(data) > PARSED:
                    file.seek(0)
                    yield from windows(file, origin)
                    return
        except OSError as e:
            yield Skip(item.path, reason(e))
            return
        yield from env_chunks(data, origin)


def looks_like_env(path: str, name: str) -> bool:
    """Whether a file that nobody named is worth reading: by its name, or by its name and what stands in it."""
    if _BY_NAME.fullmatch(name):
        return True
    for names, content in _BY_CONTENT:
        if names.fullmatch(name):
            try:
                with open_regular(path) as file:
                    return content.search(read_up_to(file, PARSED)) is not None
            except OSError:
                return True  # reading it will say what is wrong
    return False


def env_chunks(data: bytes, origin: Origin) -> Iterator[Chunk]:
    """A chunk `KEY=value` for each variable in a file's bytes, then one of the whole with the values blanked.

    Lines are the file's; columns are right for values that stand in the file as they are.
    """
    if not data:
        return
    rest = bytearray(data)
    line = counted = start = 0
    for key, value, begin, end in sorted(parse(data, origin.path or ""), key=lambda v: v.begin):
        start = max(data.rfind(b"\n", counted, begin) + 1, start)
        line, counted = line + data.count(b"\n", counted, begin), begin
        column = begin - start + 1
        rest[begin:end] = re.sub(rb"[^\n]", b" ", data[begin:end])
        if value:
            stop = data.find(b"\n", end)
            behind = data[end : len(data) if stop < 0 else stop]
            above = data[data.rfind(b"\n", 0, max(start - 1, 0)) + 1 : max(start - 1, 0)]
            column = max(column - len(key) - 1, 1)
            yield Chunk(key + b"=" + value, origin, None, None, line + 1, column, behind, above)
    yield Chunk(bytes(rest), origin)


def parse(data: bytes, path: str) -> list[Value]:
    """The variables in a file, which is YAML by its name or lines of any of the other formats. Raises nothing."""
    name = os.path.basename(path).lower()
    if name.endswith((".yml", ".yaml")):
        return _yaml(data)
    shell = _SHELL.fullmatch(name) is not None or data.startswith(b"#!")
    return list(_lines(data, shell))


# Lines ----------------------------------------------------------------------------------------------------------------

_NAME = rb"[A-Za-z_][A-Za-z0-9_.\-]*"
_BLANKS = rb"[ \t]*"
_COMMENT = re.compile(rb"[ \t]*(?:#|;|//|::|[Rr][Ee][Mm][ \t]|\r?\n|$)")
_POWERSHELL = re.compile(_BLANKS + rb"\$(?:\{env:(\w+)\}|env:(\w+))[ \t]*=[ \t]*", re.IGNORECASE)
_FLAG = rb"(?:[ \t]+-{1,2}\w{1,16}){0,4}"
_SET_X = re.compile(
    _BLANKS + rb"set" + _FLAG + rb"[ \t]+(?:-\w{0,4}x\w{0,4}|--export)" + _FLAG + rb"[ \t]+([A-Za-z_]\w*)[ \t]+"
)
_SETENV = re.compile(_BLANKS + rb"(?:setenv|setx)[ \t]+(\w+)[ \t]+", re.IGNORECASE)
_SET = re.compile(_BLANKS + rb"@?set[ \t]+(\"?)(" + _NAME + rb")=", re.IGNORECASE)
_SYSTEMD = re.compile(_BLANKS + rb"(Environment|PassEnvironment)[ \t]*=[ \t]*(?=[\"']?" + _NAME + rb"=)")
_EXPORT = re.compile(
    _BLANKS + rb"(?:export|ENV|ARG|env|local|readonly|(?:declare|typeset)" + _FLAG + rb")[ \t]+(?=[\"']?[A-Za-z_]\w*=)"
)
_ASSIGN = re.compile(_BLANKS + rb"(?:export[ \t]+)?(" + _NAME + rb")(?:[ \t]*=|:(?=[ \t]))[ \t]*")
_SHELL_ASSIGN = re.compile(_BLANKS + rb"([A-Za-z_]\w*)\+?=")
_KEY = re.compile(_NAME)
_DOUBLE = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(rb"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_PLAIN = {b"'": re.compile(rb"'([^']*)'"), b"`": re.compile(rb"`([^`]*)`")}
_WORD_PART = re.compile(rb"""[^\s"'\\;&|<>()`]+|\\(?:\r?\n|.)|"(?:[^"\\]|\\.)*"|'[^']*'""", re.DOTALL)
_BARE_PART = re.compile(rb"""[^\s"'\\]+|\\(?:\r?\n|.)|"(?:[^"\\]|\\.)*"|'[^']*'""", re.DOTALL)
_ESCAPE = re.compile(rb"\\(\r?\n|.)", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _lines(data: bytes, shell: bool) -> Iterator[Value]:
    """The variables of a file of lines: dotenv, shell, fish, csh, PowerShell, batch, systemd, Dockerfile."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data):
        last = at
        if not _COMMENT.match(data, at):
            for found in _line(data, at, shell):
                last = max(last, found.end)
                yield found
        newline = data.find(b"\n", last)
        at = len(data) if newline < 0 else newline + 1


def _line(data: bytes, at: int, shell: bool) -> Iterable[Value]:
    if match := _POWERSHELL.match(data, at):
        return _one(match[1] or match[2], *_powershell(data, match.end()))
    if match := _SET_X.match(data, at) or _SETENV.match(data, at):
        return _one(match[1], *_word(data, match.end()))
    if match := _SET.match(data, at):
        end = _line_end(data, match.end())
        quote = data.rfind(b'"', match.end(), end) if match[1] else -1
        end = quote if quote >= 0 else end
        return _one(match[2], data[match.end() : end], match.end(), end)
    if match := _SYSTEMD.match(data, at):
        return _words(data, match.end(), systemd=True, shell=False)
    if (match := _EXPORT.match(data, at)) and (shell or not match[0].lstrip().startswith(b"export")):
        return _words(data, match.end(), shell=shell)
    if shell:
        return _words(data, at) if _SHELL_ASSIGN.match(data, at) else ()
    if match := _ASSIGN.match(data, at):
        return _one(match[1], *_dotenv(data, match.end()))
    return ()


def _one(key: bytes, value: bytes, begin: int, end: int) -> Iterable[Value]:
    return (Value(key, value, begin, end),)


def _line_end(data: bytes, at: int) -> int:
    """Where the line ends, its line break and blanks at its end left out."""
    newline = data.find(b"\n", at)
    end = len(data) if newline < 0 else newline
    return at + len(data[at:end].rstrip())


def _unescape(text: bytes, controls: bool = True) -> bytes:
    """Backslash escapes as dotenv and systemd have them: `\\n`, `\\r`, `\\t`, quotes, `\\\\` and `\\$`; others stay."""

    def character(match: re.Match[bytes]) -> bytes:
        if match[1].endswith(b"\n"):
            return b""
        if match[1] in b"\"'\\$`":
            return match[1]
        return _CONTROL.get(match[1], match[0]) if controls else match[0]

    return _ESCAPE.sub(character, text)


def _dotenv(data: bytes, at: int) -> tuple[bytes, int, int]:
    """A value of an env file: (value, begin, end). A quote that is never closed is part of an unquoted value."""
    quote = data[at : at + 1]
    pattern = _DOUBLE if quote == b'"' else _PLAIN.get(quote)
    if pattern and (match := pattern.match(data, at, at + QUOTED)):
        text = match[1].replace(b"\r\n", b"\n")
        return (_unescape(text) if quote == b'"' else text), match.start(1), match.end(1)
    end = _line_end(data, at)
    comment = re.search(rb"(?:^|[ \t])#", data[at:end])
    if comment:
        end = at + len(data[at : at + comment.start()].rstrip())
    return data[at:end], at, end


def _powershell(data: bytes, at: int) -> tuple[bytes, int, int]:
    if match := re.compile(rb'"((?:[^"`]|`.|"")*)"', re.DOTALL).match(data, at, at + QUOTED):
        text = match[1].replace(b'""', b'"')
        return re.sub(rb"`(.)", lambda m: _CONTROL.get(m[1], m[1]), text), match.start(1), match.end(1)
    if match := re.compile(rb"'((?:[^']|'')*)'").match(data, at, at + QUOTED):
        return match[1].replace(b"''", b"'"), match.start(1), match.end(1)
    return _word(data, at)


def _word(data: bytes, at: int, shell: bool = True) -> tuple[bytes, int, int]:
    """A shell word, its quotes removed: (value, begin, end). Quotes around all of it are not in the range.

    Without `shell` its operators (`;`, `&`, `|` and the like) are as good as letters.
    """
    pattern = _WORD_PART if shell else _BARE_PART
    parts, end = [], at
    while match := pattern.match(data, end, at + QUOTED):
        part, end = match[0], match.end()
        if part[:1] == b'"':
            parts.append(_unescape(part[1:-1], controls=False))
        elif part[:1] == b"'":
            parts.append(part[1:-1])
        elif part[:1] == b"\\":
            parts.append(b"" if part.endswith(b"\n") else part[1:])
        else:
            parts.append(part)
    begin = at
    if len(parts) == 1 and data[at : at + 1] in (b'"', b"'"):
        begin, end = at + 1, end - 1
    return b"".join(parts), begin, end


def _words(data: bytes, at: int, systemd: bool = False, shell: bool = True) -> Iterator[Value]:
    """Assignments one after the other on a line: `A=b "C=d e" F='g'`. systemd knows escapes in both kinds of quotes."""
    blanks = re.compile(rb"(?:[ \t]|\\\r?\n)*")
    while match := blanks.match(data, at):
        at = match.end()
        quote = data[at : at + 1]
        pattern = (_SINGLE if systemd else _PLAIN[b"'"]) if quote == b"'" else _DOUBLE if quote == b'"' else None
        if pattern and (whole := pattern.match(data, at, at + QUOTED)):
            key, equals, text = whole[1].partition(b"=")
            if not equals or not _KEY.fullmatch(key):
                return
            value = text if quote == b"'" and not systemd else _unescape(text, controls=systemd)
            yield Value(key, value, whole.start(1) + len(key) + 1, whole.end(1))
            at = whole.end()
            continue
        assignment = _SHELL_ASSIGN.match(data, at)
        if not assignment:
            return
        value, begin, end = _word(data, assignment.end(), shell)
        yield Value(assignment[1], value, begin, end)
        at = max(end, assignment.end()) + (data[end : end + 1] in (b'"', b"'") and begin > assignment.end())


# YAML -----------------------------------------------------------------------------------------------------------------


def _yaml(data: bytes) -> list[Value]:
    """The variables in compose files, Kubernetes Secrets and container lists; none if the file is no YAML."""
    import yaml

    mark = 3 if data.startswith(b"\xef\xbb\xbf") else 0  # libyaml does not count it
    if len(data) > PARSED_YAML:
        return []
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data[mark:].decode()
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=loader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH or count > NODES:
                return []
        documents = list(yaml.compose_all(text, Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    found: dict[int, Value] = {}
    at = _Offsets(text, mark)
    for value in _variables(documents, data, at):
        # An anchor's node stands once, wherever it is used.
        found.setdefault(value.begin, value)
    taken, kept = 0, []
    for value in sorted(found.values(), key=lambda v: v.begin):
        if value.begin >= taken:
            kept.append(value)
            taken = value.end
    return kept


class _Offsets:
    """Characters, as YAML's marks count them, to bytes of the file."""

    def __init__(self, text: str, mark: int) -> None:
        self._text, self._mark, self._ascii = text, mark, text.isascii()
        self._known = [0]
        for begin in range(0, 0 if self._ascii else len(text), 1024):
            self._known.append(self._known[-1] + len(text[begin : begin + 1024].encode()))

    def __call__(self, index: int) -> int:
        if self._ascii:
            return self._mark + index
        block = index // 1024
        return self._mark + self._known[block] + len(self._text[block * 1024 : index].encode())


def _variables(documents: list[Node], data: bytes, at: _Offsets) -> Iterator[Value]:
    """Walk every node once, however often aliases name it."""
    from yaml.nodes import MappingNode, ScalarNode, SequenceNode

    stack, seen = [node for node in reversed(documents) if node], set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            stack.extend(reversed(node.value))
        if not isinstance(node, MappingNode):
            continue
        fields = {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}
        stack.extend(value for _, value in reversed(node.value))
        kind = fields.get("kind")
        secret = isinstance(kind, ScalarNode) and kind.value == "Secret"
        for name in ("environment", "env"):
            yield from _environment(fields.get(name), data, at)
        if secret:
            yield from _environment(fields.get("stringData"), data, at)
            yield from _environment(fields.get("data"), data, at, encoded=True)


def _environment(node: Node | None, data: bytes, at: _Offsets, encoded: bool = False) -> Iterator[Value]:
    """Variables as a map, as a list of `KEY=value`, or as a list of `{name: KEY, value: …}`."""
    from yaml.nodes import MappingNode, ScalarNode, SequenceNode

    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and isinstance(value, ScalarNode):
                yield from _scalar(key.value, value, data, at, encoded)
    elif isinstance(node, SequenceNode) and not encoded:
        for entry in node.value:
            if isinstance(entry, ScalarNode):
                key, equals, text = entry.value.partition("=")
                begin, end = _range(entry, data, at)
                shift = data.find(b"=", begin, end) + 1
                if equals and key and shift:
                    yield Value(_bytes(key), _bytes(text), shift, end)
            elif isinstance(entry, MappingNode):
                fields = {k.value: v for k, v in entry.value if isinstance(k, ScalarNode)}
                name, value = fields.get("name"), fields.get("value")
                if isinstance(name, ScalarNode) and isinstance(value, ScalarNode):
                    yield from _scalar(name.value, value, data, at, False)


def _scalar(key: str, node: Node, data: bytes, at: _Offsets, encoded: bool) -> Iterator[Value]:
    value = _bytes(node.value)
    if encoded:
        try:
            value = base64.b64decode(b"".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            return  # left in the file's own chunk
    begin, end = _range(node, data, at)
    yield Value(_bytes(key), value, begin, end)


def _range(node: Node, data: bytes, at: _Offsets) -> tuple[int, int]:
    """The bytes of a scalar without its quotes; of a block scalar its lines."""
    begin, end = at(node.start_mark.index), at(node.end_mark.index)
    style = getattr(node, "style", None)
    if style in ("'", '"'):
        # An anchor or tag before the quote belongs to the node's range.
        opening = data.find(style.encode(), begin, end) + 1
        return max(opening, begin), max(end - 1, opening)
    if style in ("|", ">"):
        newline = data.find(b"\n", begin, end)
        begin = newline + 1 if newline >= 0 else begin
        begin += len(data[begin:end]) - len(data[begin:end].lstrip(b" "))
    return begin, end


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# Processes ------------------------------------------------------------------------------------------------------------


def process_environment(pid: int) -> Iterator[Chunk | Skip]:
    """One chunk for each variable a running process was started with, under the path `<process PID>/NAME`.

    Raises DeadkeyError when there is no such process; one that may not be looked at comes as a Skip.
    """
    import psutil

    try:
        variables = psutil.Process(pid).environ()
    except (psutil.NoSuchProcess, ValueError, OverflowError) as e:
        raise DeadkeyError(f"process {pid}: no such process") from e
    except (psutil.AccessDenied, PermissionError):
        yield Skip(f"<process {pid}>", "its environment may not be read: run as its owner or as root")
        return
    for name, value in sorted(variables.items()):
        yield Chunk(os.fsencode(f"{name}={value}"), Origin(KIND, f"<process {pid}>/{name}"))


@dataclass(frozen=True)
class ProcessSource:
    """The environment of one running process."""

    pid: int
    kind: str = "process"

    def items(self) -> Iterator[Item | Skip]:
        yield Item(f"<process {self.pid}>")

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """Raises DeadkeyError when there is no such process."""
        return process_environment(self.pid)
