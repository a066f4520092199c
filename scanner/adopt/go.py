"""Patterns in the syntax of Go's `regexp` (RE2, https://pkg.go.dev/regexp/syntax) as Python's `re` and `regex` read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
MANY = 200
"""What an open repeat of a rule ends at."""

TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\\x\{(?P<hex>[0-9A-Fa-f]+)\}|\\(?P<escape>.)|\[:(?P<negated>\^?)(?P<posix>\w+):\]"
    r"|\(\?(?:P?<(?P<name>\w+)>|(?P<flags>[a-zA-Z-]*)(?P<end>[:)]))|\{(?P<low>\d+),\}|(?P<char>.)",
    re.DOTALL,
)


def translated(pattern: str, secret_group: int | None = None, bounded: bool = False) -> str:
    """`pattern` for Python. Anchors of the text become those of a line. With `secret_group` the group of that number is
    named `secret` (0: the first there is, if there is one) and no other captures; `bounded` ends open repeats at MANY.

    Raises ValueError for what Python cannot say.
    """
    out: list[str] = []
    closing = [""]  # of each open group, what closes it beside its own parenthesis
    groups, inside = 0, False
    wanted = secret_group or 1
    for token in TOKEN.finditer(pattern):
        text, char = token[0], token["char"]
        if token["quoted"] is not None:
            text = re.escape(token["quoted"])
        elif token["hex"]:
            text = "".join(f"\\x{byte:02x}" for byte in chr(int(token["hex"], 16)).encode())
        elif token["escape"]:
            text = _escape(token["escape"], inside)
        elif token["posix"]:
            if not inside or token["negated"] or token["posix"] not in CLASSES:
                raise ValueError(f"{text} is not known")
            text = CLASSES[token["posix"]]
        elif inside and len(text) > 1:
            text = re.escape(text)
        elif inside:
            text, inside = _in_class(out, char or "", text)
        elif token["name"] or char == "(":
            groups += 1
            named = secret_group is not None and groups == wanted
            text = "(?P<secret>" if named else "(?:" if secret_group is not None else "("
            closing.append("")
        elif token["flags"] is not None:
            flags = token["flags"]
            if set(flags) - set("ims-"):
                raise ValueError(f"the flag in {text} is not known")
            if token["end"] == ":":
                closing.append("")
            elif bounded and not out and "-" not in flags:
                pass  # a rule's anchor is looked for at the top level alone
            else:  # until the end of the group that it stands in
                closing[-1] += ")"
                text = f"(?{flags}:"
        elif char == ")":
            text = closing.pop() + ")" if len(closing) > 1 else text
        elif char == "[":
            inside = True
        elif char == "^":
            text = r"(?<![^\r\n])"
        elif char == "$":
            text = r"(?![^\r\n])"
        elif bounded and char in ("*", "+") and out:
            text = f"{{{int(char == '+')},{MANY}}}"
        elif bounded and token["low"]:
            text = f"{{{token['low']},{max(MANY, int(token['low']))}}}"
        out.append(text)
    if secret_group and groups < secret_group:
        raise ValueError(f"it has no group {secret_group}")
    return "".join(out) + closing[0]


def _in_class(out: list[str], char: str, text: str) -> tuple[str, bool]:
    """A character in brackets as it is written there, and whether they are still open behind it."""
    if char == "^" and out[-1] == "[":
        return text, True
    first = out[-1] == "[" or (out[-1] == "^" and out[-2:-1] == ["["])
    if char == "]":
        return ("\\]", True) if first else ("]", False)
    return ("\\" + char, True) if char in "[&~|" else (text, True)


def _escape(char: str, inside: bool) -> str:
    if char == "z":
        return r"(?![^\r\n])"
    if char == "A":
        return r"(?<![^\r\n])"
    if char in "pPCX":
        raise ValueError(f"\\{char} is not known")
    return "\\" + char if char.isalnum() or not char.isspace() else char


def usable(given: Iterable[Any], where: str, notes: list[str], go: bool = True) -> list[str]:
    """Those patterns that can be carried over, translated where they are Go's; what cannot be is noted."""
    import regex

    kept = []
    for pattern in given:
        try:
            made = translated(str(pattern)) if go else str(pattern)
            regex.compile(made.encode())
        except (ValueError, regex.error) as e:
            notes.append(f"{where}: not carried over: the pattern {pattern}: {e}")
        else:
            kept.append(made)
    return kept
