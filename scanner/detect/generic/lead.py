"""A first look at what an anchor announces, before any pattern is tried: most of it is code, words or nothing.

The plain twin of the same functions in `_sift`; both decide alike.
"""

from __future__ import annotations

from collections.abc import Callable

from scanner.detect.generic.words import UNIT, table

ASSIGNMENT, STRINGS, ELEMENT, NAMED, BYTES, USERINFO, AUTHORITY, COMMAND, OPTION = range(1, 10)
"""What an anchor announces: the value of an assignment; a string in a call, or one of those behind it; an element's text; the
value beside a name; bytes, number by number; the password of a URL; a user and a password; a command's options; an option's value."""
LOOKS = {
    "assignment": ASSIGNMENT,
    "strings": STRINGS,
    "element": ELEMENT,
    "named": NAMED,
    "bytes": BYTES,
    "userinfo": USERINFO,
    "authority": AUTHORITY,
    "command": COMMAND,
    "option": OPTION,
}
FAR = 500
"""Bytes behind an anchor that are looked at."""
FEWEST, WEAK = 3, 8
"""Bytes below which nothing is a secret: in general, and under a key like `key`."""
MOST = 200
"""Bytes of a bare value or of an element."""
BARE, QUOTED, NUMBERED = 74, 60, 60
"""Sixteenths of a bit by which letters must surprise on average: bare, in quotes, and with a digit or two."""
STRING, FOUR = 60, 4
"""Bytes from one string of a call to the next, and how many are looked at."""

PLAIN = 6
"""Bytes below which a password made of words is none."""

KEYED = 100
"""Bytes before a separator within which the line of a setting begins."""

WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
ENDS = (b"key", b"eys", b"ken", b"ens", b"uth", b"ion", b"_id", b"ame", b"ype")
"""What the many keys end with that name no secret by themselves."""
NEVER = (b"thor", b"izer", b"d-by")
"""What keys end with that only look like one of a secret: author, tokenizer, co-authored-by."""
REST = b"=>:-"
KEYLIKE = WORD | frozenset(b".-$")
IDENTIFIER = WORD | frozenset(b".$:\\[]")
QUOTES = b"\"'`"
END = frozenset(b' \t\r\n"`,&<>;\\')
CLOSERS = b")]}'="
EXPRESSION = b"()[]{}="
"""What stands within a bare value in code, but not at its end."""
SECURE = b"ConvertTo-SecureString "
STRINGED = b"-String "
SEPARATORS = b"=:,\x9a \t"
"""What an assignment's separator ends with; `->` and `<-` apart."""
SPACE = b" \t\r\n\x0b\x0c"
VALUES = (b"value", b"content")
"""What the half of a pair is called that holds its value."""
BETWEEN_PAIR, ATTRIBUTE, LITERAL, OPTIONS = 40, 24, 64, 120
"""Bytes: from a name to its value, of an attribute's value, to the first comma of bytes, and of a command before its option."""
SEVERAL = 6
"""So many more numbers follow the first of a secret written as bytes at the least."""
HEX = b"0123456789abcdefABCDEFxX"
USER, PASSWORD = 100, 150
"""Bytes of a URL's user and password at most."""
APART = frozenset(b" \t\r\n\x0b\x0c/:@\"'`<>")
"""What stands in no password of a URL; and what in no user's name:"""
NO_USER = APART | frozenset(b"{}()$")
HOST = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789[_%$<{")
"""What a host may begin with."""
FLAGS = (b"-p", b"-a ", b"-a\t", b"-w ", b"-w\t", b"/p:", b"-u", b"--user", b"-U ")
"""The options of commands that a password may follow."""
SLICE = b"[]byte{"
ENTITY = b"&quot;"
CDATA = b"<![CDATA["
BETWEEN = b" \t=:|+?!<->,\"'`\\])}*>\xef\xbc\x9a"
"""What stands between a key and its value."""
BEFORE_KEY = b" \n\t;({,&\"'/"
"""What a key stands behind."""


def assignment(data: bytes, end: int) -> bool:
    """Whether the value behind the separator that ends at `end` may be a secret."""
    if data[end - 1] not in SEPARATORS and data[max(0, end - 2) : end] not in (b"->", b"<-"):
        return False
    at, stop = end, min(len(data), end + FAR)
    last = _last_word(data, end)
    if last in NEVER:
        return False
    fewest = WEAK if last[-3:] in ENDS else FEWEST
    start = at
    for _ in range(3):  # a type, a call or a prefix may stand before the value
        while at < stop and data[at] in REST:
            at += 1
        while at < stop and data[at] in b" \t":
            at += 1
        start = at
        if at >= stop or data.startswith(SLICE, at, stop):
            return False
        while at < stop and data[at] == 92:
            at += 1
        if at < stop and data[at] in QUOTES:
            good, close = _quoted(data, at, stop, fewest)
            return good or (fewest == FEWEST and at == end and close < stop and plain(data, end, at + 1, close))
        at = start
        if data.startswith(b"$(", at, stop):
            at += 2
        if data.startswith(SECURE, at, stop):
            at += len(SECURE)
            if data.startswith(STRINGED, at, stop):
                at += len(STRINGED)
            continue
        at = start
        while at < stop and data[at] in IDENTIFIER:
            at += 1
        if at >= stop:
            break
        here = data[at]
        if here in b"({@" or (here in QUOTES and at - start <= 2):
            if here not in QUOTES:
                at += 1
            while at < stop and data[at] in b" \t":
                at += 1
            if at < stop and (data[at] in QUOTES or data[at] == 92):
                continue
            if here in b"({" and at - start > 1:
                return False
        elif here in b" \t" and at > start:
            after = at
            while after < stop and data[after] in b" \t":
                after += 1
            if after < stop and data[after] == 61 and _letters(data, start, at):
                at = after
                continue
        break
    if start >= stop:
        return False
    if data[start] == 38:  # a quote written as an entity
        return data.startswith(ENTITY, start, stop)
    stop = min(stop, start + MOST)
    at = start
    while at < stop and data[at] not in END:
        if data[at] in EXPRESSION:
            after = at
            while after < stop and data[after] in CLOSERS:
                after += 1
            if after < stop and data[after] not in END:
                return False
            break
        at += 1
    if _value(data, start, at, BARE, fewest):
        return True
    return fewest == FEWEST and start == end and plain(data, end, start, at)


def plain(data: bytes, end: int, start: int, stop: int) -> bool:
    """Whether the line is `KEY=VALUE` alone, as settings are written, with the separator's end at `end`, and the value, which
    begins at `start` and ends at `stop`, may be a password made of words: letters of both cases, or also digits or signs."""
    if data[end - 1] != 61 or not PLAIN <= stop - start <= MOST or (stop < len(data) and data[stop] not in b"\r\n\"'`"):
        return False
    if stop < len(data) and data[stop] in QUOTES and stop + 1 < len(data) and data[stop + 1] not in b"\r\n":
        return False
    at, low = end - 2, max(-1, end - KEYED)
    while at > low and (data[at] in WORD or data[at] in b".-"):
        at -= 1
    if at > low and data[at] == 32:
        at -= 1
        while at > low and 97 <= data[at] | 32 <= 122:
            at -= 1
    if at >= 0 and data[at] != 10:
        return False
    lower = upper = other = False
    for c in data[start:stop]:
        if 97 <= c <= 122:
            lower = True
        elif 65 <= c <= 90:
            upper = True
        elif 48 <= c <= 57 or c in b"!@#$%^&*+?~":
            other = True
        elif c in b"/<>(){}[]\\ ":
            return False
    return lower + upper + other > 1


def key(data: bytes, low: int, end: int) -> int:
    """Where the last word before the separator that ends at `end` begins, `low` at the earliest."""
    head = data[low:end].rstrip(BETWEEN)
    if head.endswith(b"("):
        head = head[:-1].rstrip(b" ")
    at = len(head)
    while at and head[at - 1] not in BEFORE_KEY:
        at -= 1
    return low + at


def strings(data: bytes, end: int) -> bool:
    """Whether the string whose quote ends at `end`, or one that follows it in the same call, may be a secret."""
    at, stop = end - 1, min(len(data), end + FAR)
    while at < stop and data[at] == 92:
        at += 1
    if at >= stop or data[at] not in QUOTES or data[max(0, end - 2)] == 61:
        return False
    for _ in range(FOUR):
        good, at = _quoted(data, at, stop, FEWEST)
        if good:
            return True
        if at >= stop:
            return False
        at += 1
        last = min(stop, at + STRING)
        while at < last and data[at] not in QUOTES:
            if data[at] in b")\n":
                return False
            at += 1
        if at >= last:
            return False
    return False


def element(data: bytes, end: int) -> bool:
    """Whether the text of an element may be a secret: `end` is that of its first byte, or of an attribute's first quote."""
    start, stop = end - 1, min(len(data), end + MOST)
    before = data[end - 2] if end > 1 else 0
    if before == 61 and data[end - 1] == 34:
        at = end
        while at < stop and at < end + ATTRIBUTE and data[at] not in b'"<>\n':
            at += 1
        if not data.startswith(b'">', at, stop):
            return False
        start = at + 2
        if data.startswith(CDATA, start, stop):
            start += len(CDATA)
    elif before not in b">[":
        return False
    at = start
    while at < stop and data[at] not in b"<\n":
        at += 1
    return data.startswith(b"</", at, stop) and _value(data, start, at, QUOTED, FEWEST)


def named(data: bytes, end: int) -> bool:
    """Whether behind a name, and the `value=` or `value:` that follows it or ends at `end`, there may be a secret."""
    last, at = data[end - 1], end - 1
    if last == 44:  # {"name": "PASSWORD", "value": "..."}
        at, stop = end, min(len(data), end + BETWEEN_PAIR)
        lines = 0
        while at < stop and data[at] in SPACE and lines < 2:  # no pattern goes further than into the next line
            lines += data[at] == 10
            at += 1
        at = _past_quote(data, at)
        word = next((w for w in VALUES if data[at : at + len(w)].lower() == w), b"")
        if not word:
            return False
        at = _past_quote(data, at + len(word))
        stop = min(len(data), at + 2)
        while at < stop and data[at] in b" \t":
            at += 1
        return at < len(data) and data[at] in b"=:" and assignment(data, at + 1)
    if last == 34:  # <add key="Password" value="...">
        at -= 1
        end -= 1
        if at < 0 or data[at] != 61:
            return False
    elif last not in b"=:":
        return False
    if at > 0 and data[at - 1] == 32:
        at -= 1
    word = next((w for w in VALUES if data[max(0, at - len(w)) : at].lower() == w), b"")
    return bool(word) and at > len(word) and data[at - len(word) - 1] not in KEYLIKE and assignment(data, end)


def option(data: bytes, end: int) -> bool:
    """Whether the value of which the first byte ends at `end` may be a secret."""
    return end > 1 and assignment(data, end - 1)


def _past_quote(data: bytes, at: int) -> int:
    at += at < len(data) and data[at] == 92
    return at + (at < len(data) and data[at] in b"\"'")


def numbers(data: bytes, end: int) -> bool:
    """Whether behind the separator that ends at `end`, and a type or a bracket, numbers stand between commas."""
    if data[end - 1] not in b"=:":
        return False
    at, stop = end, min(len(data), end + LITERAL)
    while at < stop and (data[at] in WORD or data[at] in b" \t[](){}.="):
        at += 1
    for _ in range(SEVERAL):
        if at >= len(data) or data[at] != 44:
            return False
        at += 1
        while at < len(data) and data[at] in b" \t":
            at += 1
        start = at
        while at < len(data) and data[at] in HEX:
            at += 1
        if at == start:
            return False
    return True


def userinfo(data: bytes, end: int) -> bool:
    """Whether the password of a URL whose first byte ends at `end` is followed by a host."""
    return _password(data, end - 1)


def authority(data: bytes, end: int) -> bool:
    """Whether a user, a password and a host stand behind `end`."""
    at, stop = end, min(len(data), end + USER + 1)
    while at < stop and data[at] not in NO_USER:
        at += 1
    return at < stop and data[at] == 58 and _password(data, at + 1)


def _password(data: bytes, start: int) -> bool:
    at, stop = start, min(len(data), start + PASSWORD + 2)
    while at < stop and data[at] not in APART:
        at += 1
    return start < at < stop - 1 and data[at] == 64 and data[at + 1] in HOST


def command(data: bytes, end: int) -> bool:
    """Whether an option that a password may follow stands in the line of the command behind which `end` lies."""
    stop = min(len(data), end + OPTIONS)
    for at in range(end - 1, stop):
        if data[at] in b"\r\n":
            return False
        if data[at] in b" \t\"'" and data.startswith(FLAGS, at + 1):
            return True
    return False


def _letters(data: bytes, start: int, end: int) -> bool:
    return all(97 <= c | 32 <= 122 for c in data[start:end])


def _last_word(data: bytes, end: int) -> bytes:
    """The last four bytes of the key before the separator, in small letters."""
    at, low = end - 1, max(0, end - 48)
    while at > low and data[at] not in WORD:
        at -= 1
    return data[max(0, at - 3) : at + 1].lower()


def _quoted(data: bytes, at: int, stop: int, fewest: int) -> tuple[bool, int]:
    """Whether the string that begins with the quote at `at` may be a secret, and where its last quote stands."""
    quote = data[at]
    start = at + 1
    if start + 1 < stop and data[start] == quote:
        if data[start + 1] == quote:
            start += 2
        elif quote == 96:
            start += 1
    at = start
    while at < stop and data[at] != quote and data[at] != 10:
        at += 1
    if at >= stop or data[at] != quote:
        return False, stop
    return _value(data, start, at, QUOTED, fewest), at


def _value(data: bytes, start: int, end: int, least: int, fewest: int) -> bool:
    if end - start < fewest:
        return False
    first, second = data[start], data[start + 1]
    if (first in b"${<%#@" and second in b"{(%[$") or (first == 36 and least == BARE):
        return False
    surprises = table()
    letters = digits = spaces = dots = total = a = b = 0
    small = False
    for c in data[start : min(end, start + 80)]:
        if 65 <= c <= 90:
            c += 32
            if small:  # a word begins within another
                a = b = 0
            small = False
        else:
            small = 97 <= c <= 122
        if 97 <= c <= 122:
            c -= 96
            total += surprises[(a * 27 + b) * 27 + c]
            letters += 1
            a, b = b, c
            continue
        a = b = 0
        digits += 48 <= c <= 57
        spaces += c == 32
        dots += c == 46
    if not digits:
        return letters > 0 and spaces < 3 and total >= least * letters
    if not letters:
        return digits >= 6 and not dots
    return digits > 3 or letters < 3 or total >= NUMBERED * letters


BY_LOOK: dict[int, Callable[[bytes, int], bool]] = {
    ASSIGNMENT: assignment,
    STRINGS: strings,
    ELEMENT: element,
    NAMED: named,
    BYTES: numbers,
    USERINFO: userinfo,
    AUTHORITY: authority,
    COMMAND: command,
    OPTION: option,
}
assert UNIT == 16
