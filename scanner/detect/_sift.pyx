# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Which hits of context words can lead to anything: the compiled twin of `sift`, which documents it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcmp, strchr


cdef enum:
    STARTS = 16


cdef struct Need:
    const unsigned char *letters  # NULL: nothing is needed
    const unsigned char *barred
    Py_ssize_t shortest, near  # a negative distance: never
    Py_ssize_t starts[STARTS]
    int count  # of starts
    int look


cdef class Sift:
    cdef Need *_needs
    cdef Py_ssize_t *_firsts  # by anchor: its first need; negative where nothing is needed
    cdef Py_ssize_t *_lasts
    cdef Py_ssize_t _count
    cdef list _kept
    cdef const unsigned char *_surprises

    def __cinit__(self, needs, bytes surprises not None):
        cdef list given = list(needs)
        cdef Py_ssize_t i = 0, anchor
        if PyBytes_GET_SIZE(surprises) != 27 * 27 * 27:
            raise ValueError("the table of surprises holds 27 times 27 times 27 numbers")
        self._kept = [surprises]
        self._surprises = <const unsigned char *> PyBytes_AS_STRING(surprises)
        self._count = len(given)
        self._needs = <Need *> PyMem_Malloc((sum(len(some) for some in given if some) + 1) * sizeof(Need))
        self._firsts = <Py_ssize_t *> PyMem_Malloc((self._count + 1) * sizeof(Py_ssize_t))
        self._lasts = <Py_ssize_t *> PyMem_Malloc((self._count + 1) * sizeof(Py_ssize_t))
        if self._needs == NULL or self._firsts == NULL or self._lasts == NULL:
            raise MemoryError
        tables = {}
        for anchor, some in enumerate(given):
            self._firsts[anchor] = i if some is not None else -1
            for letters, shortest, near, starts, barred, look in some or ():
                if len(letters) != 256 or len(barred) != 256 or shortest < 1 or len(starts) > STARTS:
                    raise ValueError(f"a need holds 256 letters, a length above zero, and at most {STARTS} starts")
                letters = tables.setdefault(letters, letters)
                barred = tables.setdefault(barred, barred)
                self._kept += (letters, barred)
                self._needs[i].letters = <const unsigned char *> PyBytes_AS_STRING(<bytes> letters)
                self._needs[i].barred = <const unsigned char *> PyBytes_AS_STRING(<bytes> barred)
                self._needs[i].count = len(starts)
                for number, start in enumerate(starts):
                    self._needs[i].starts[number] = start
                self._needs[i].shortest = shortest
                self._needs[i].near = near
                self._needs[i].look = look
                i += 1
            self._lasts[anchor] = i

    def __dealloc__(self):
        PyMem_Free(self._needs)
        PyMem_Free(self._firsts)
        PyMem_Free(self._lasts)

    def look(self, bytes data not None, Py_ssize_t end, int look):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        if not 1 <= end <= size:
            raise IndexError("no such place")
        if not ASSIGNMENT <= look <= OPTION:
            raise IndexError("no such look")
        return _look(<const unsigned char *> PyBytes_AS_STRING(data), size, end, look, self._surprises)

    def __call__(self, bytes data not None, list hits not None):
        cdef const unsigned char *text = <const unsigned char *> PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t end, anchor, at
        cdef list out = []
        cdef tuple hit
        for hit in hits:
            anchor = hit[1]
            if anchor < 0 or anchor >= self._count:
                raise IndexError("no such anchor")
            if self._firsts[anchor] < 0:
                out.append(hit)
                continue
            end = hit[0]
            if end < 0:
                raise IndexError("no such place")
            if end > size:
                raise IndexError("no such place")
            for at in range(self._firsts[anchor], self._lasts[anchor]):
                if _has(text, size, end, &self._needs[at], self._surprises):
                    out.append(hit)
                    break
        return out


cdef bint _has(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, const Need *need,
               const unsigned char *surprises) noexcept:
    cdef Py_ssize_t last
    if need.look:
        return end > 0 and _look(text, size, end, need.look, surprises)
    if need.count:
        return _starts(text, size, end, need)
    last = end + need.near
    if last > size - need.shortest:
        last = size - need.shortest
    return _run(text, end, last, need.letters, need.shortest) >= 0


cdef bint _starts(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, const Need *need) noexcept:
    """Whether a match may begin at one of the starts."""
    cdef Py_ssize_t at, i
    cdef int number
    for number in range(need.count):
        at = end - need.starts[number]
        if at < 0 or need.shortest > size - at or (at > 0 and need.barred[text[at - 1]]):
            continue
        i = need.shortest - 1
        while i >= 0 and need.letters[text[at + i]]:
            i -= 1
        if i < 0:
            return True
    return False


def run(bytes data not None, Py_ssize_t low, Py_ssize_t high, bytes letters not None, Py_ssize_t shortest):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    if PyBytes_GET_SIZE(letters) != 256 or shortest < 1 or low < 0:
        raise ValueError("letters are 256, and lengths and places are no less than zero")
    high = high if high < size else size
    return _run(<const unsigned char *> PyBytes_AS_STRING(data), low, high - shortest,
                <const unsigned char *> PyBytes_AS_STRING(letters), shortest)


cdef Py_ssize_t _run(const unsigned char *text, Py_ssize_t start, Py_ssize_t last, const unsigned char *letters,
                     Py_ssize_t shortest) noexcept:
    """Where the first run begins, from `start` to `last`; -1 when there is none."""
    cdef Py_ssize_t at
    while start <= last:
        at = start + shortest - 1
        while at >= start and letters[text[at]]:
            at -= 1
        if at < start:
            return start
        start = at + 1
    return -1


# What follows is the twin of `generic.lead`, which documents it.

cdef enum:
    ASSIGNMENT = 1
    STRINGS = 2
    ELEMENT = 3
    NAMED = 4
    BYTES = 5
    USERINFO = 6
    AUTHORITY = 7
    COMMAND = 8
    OPTION = 9
    SEVERAL = 6
    IS_HEX = 16384
    BETWEEN_PAIR = 40
    ATTRIBUTE = 24
    LITERAL = 64
    OPTIONS = 120
    USER = 100
    PASSWORD = 150
    IS_APART = 256
    IS_NO_USER = 512
    IS_HOST = 1024
    IS_LITERAL = 2048
    IS_SEPARATOR = 4096
    IS_WHITE = 8192
    FAR = 500
    FEWEST = 3
    WEAK = 8
    NEVER = -1
    MOST = 200
    PLAIN = 6
    KEYED = 100
    BARE = 74
    QUOTED = 60
    NUMBERED = 60
    STRING = 60
    FOUR = 4
    IS_WORD = 1
    IS_IDENTIFIER = 2
    IS_END = 4
    IS_CLOSER = 8
    IS_EXPRESSION = 16
    IS_QUOTE = 32
    IS_REST = 64
    IS_SPACE = 128

cdef unsigned short KINDS[256]


cdef void _mark(bytes letters, int kind):
    cdef unsigned char c
    for c in letters:
        KINDS[c] |= kind


_mark(bytes(256), 0)
_mark(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", IS_WORD | IS_IDENTIFIER)
_mark(b".$:\\[]", IS_IDENTIFIER)
_mark(b" \t\r\n\"`,&<>;\\", IS_END)
_mark(b")]}'=", IS_CLOSER)
_mark(b"()[]{}=", IS_EXPRESSION)
_mark(b"\"'`", IS_QUOTE)
_mark(b"=>:-", IS_REST)
_mark(b" \t", IS_SPACE)
_mark(b" \t\r\n\x0b\x0c/:@\"'`<>", IS_APART | IS_NO_USER)
_mark(b"{}()$", IS_NO_USER)
_mark(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789[_%$<{", IS_HOST)
_mark(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ \t[](){}.=", IS_LITERAL)
_mark(b"=:,\x9a \t", IS_SEPARATOR)
_mark(b"0123456789abcdefABCDEFxX", IS_HEX)
_mark(b" \t\r\n\x0b\x0c", IS_WHITE)


cdef bint _look(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, int look,
                const unsigned char *surprises) noexcept:
    if look == ASSIGNMENT:
        return _assignment(text, size, end, surprises)
    if look == STRINGS:
        return _strings(text, size, end, surprises)
    if look == ELEMENT:
        return _element(text, size, end, surprises)
    if look == NAMED:
        return _named(text, size, end, surprises)
    if look == BYTES:
        return _numbers(text, size, end)
    if look == USERINFO:
        return _password(text, size, end - 1)
    if look == AUTHORITY:
        return _authority(text, size, end)
    if look == COMMAND:
        return _command(text, size, end)
    return end > 1 and _assignment(text, size, end - 1, surprises)


cdef bint _begins(const unsigned char *text, Py_ssize_t at, Py_ssize_t stop, const char *what,
                  Py_ssize_t length) noexcept:
    return stop - at >= length and memcmp(text + at, what, length) == 0


cdef bint _assignment(const unsigned char *text, Py_ssize_t size, Py_ssize_t end,
                      const unsigned char *surprises) noexcept:
    cdef Py_ssize_t stop = size if size < end + FAR else end + FAR
    cdef Py_ssize_t at = end, start = end, after, i
    cdef int fewest = FEWEST, turn
    cdef unsigned char here = text[end - 1]
    cdef bint alpha
    if not KINDS[here] & IS_SEPARATOR and not (
        end > 1 and ((here == 62 and text[end - 2] == 45) or (here == 45 and text[end - 2] == 60))
    ):
        return False
    turn = _key(text, end)
    if turn == NEVER:
        return False
    if turn == WEAK:
        fewest = WEAK
    for turn in range(3):
        while at < stop and KINDS[text[at]] & IS_REST:
            at += 1
        while at < stop and KINDS[text[at]] & IS_SPACE:
            at += 1
        start = at
        if at >= stop or _begins(text, at, stop, "[]byte{", 7):
            return False
        while at < stop and text[at] == 92:
            at += 1
        if at < stop and KINDS[text[at]] & IS_QUOTE:
            start = at
            if _quoted(text, &at, stop, fewest, surprises):
                return True
            return fewest == FEWEST and start == end and at < stop and _plain(text, size, end, start + 1, at)
        at = start
        if _begins(text, at, stop, "$(", 2):
            at += 2
        if _begins(text, at, stop, "ConvertTo-SecureString ", 23):
            at += 23
            if _begins(text, at, stop, "-String ", 8):
                at += 8
            continue
        at = start
        while at < stop and KINDS[text[at]] & IS_IDENTIFIER:
            at += 1
        if at >= stop:
            break
        here = text[at]
        if here == 40 or here == 123 or here == 64 or (KINDS[here] & IS_QUOTE and at - start <= 2):
            if not KINDS[here] & IS_QUOTE:
                at += 1
            while at < stop and KINDS[text[at]] & IS_SPACE:
                at += 1
            if at < stop and (KINDS[text[at]] & IS_QUOTE or text[at] == 92):
                continue
            if (here == 40 or here == 123) and at - start > 1:
                return False
        elif KINDS[here] & IS_SPACE and at > start:
            after = at
            while after < stop and KINDS[text[after]] & IS_SPACE:
                after += 1
            if after < stop and text[after] == 61:
                alpha = True
                for i in range(start, at):
                    if not 97 <= (text[i] | 32) <= 122:
                        alpha = False
                        break
                if alpha:
                    at = after
                    continue
        break
    if start >= stop:
        return False
    if text[start] == 38:
        return _begins(text, start, stop, "&quot;", 6)
    if stop > start + MOST:
        stop = start + MOST
    at = start
    while at < stop and not KINDS[text[at]] & IS_END:
        if KINDS[text[at]] & IS_EXPRESSION:
            after = at
            while after < stop and KINDS[text[after]] & IS_CLOSER:
                after += 1
            if after < stop and not KINDS[text[after]] & IS_END:
                return False
            break
        at += 1
    if _value(text, start, at, BARE, fewest, surprises):
        return True
    return fewest == FEWEST and start == end and _plain(text, size, end, start, at)


cdef bint _plain(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, Py_ssize_t start, Py_ssize_t stop) noexcept:
    cdef Py_ssize_t at, low, i
    cdef bint lower = False, upper = False, other = False
    cdef unsigned char c
    if text[end - 1] != 61 or stop - start < PLAIN or stop - start > MOST:
        return False
    if stop < size and not (text[stop] == 10 or text[stop] == 13 or KINDS[text[stop]] & IS_QUOTE):
        return False
    if stop + 1 < size and KINDS[text[stop]] & IS_QUOTE and text[stop + 1] != 10 and text[stop + 1] != 13:
        return False
    at, low = end - 2, end - KEYED if end - KEYED > -1 else -1
    while at > low and (KINDS[text[at]] & IS_WORD or text[at] == 46 or text[at] == 45):
        at -= 1
    if at > low and text[at] == 32:
        at -= 1
        while at > low and 97 <= (text[at] | 32) <= 122:
            at -= 1
    if at >= 0 and text[at] != 10:
        return False
    for i in range(start, stop):
        c = text[i]
        if 97 <= c <= 122:
            lower = True
        elif 65 <= c <= 90:
            upper = True
        elif 48 <= c <= 57 or (c != 0 and strchr("!@#$%^&*+?~", c) != NULL):
            other = True
        elif c != 0 and strchr("/<>(){}[]\\ ", c) != NULL:
            return False
    return lower + upper + other > 1


cdef bint _strings(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, const unsigned char *surprises) noexcept:
    cdef Py_ssize_t stop = size if size < end + FAR else end + FAR
    cdef Py_ssize_t at = end - 1, last
    cdef int turn
    while at < stop and text[at] == 92:
        at += 1
    if at >= stop or not KINDS[text[at]] & IS_QUOTE or text[end - 2 if end > 1 else 0] == 61:
        return False
    for turn in range(FOUR):
        if _quoted(text, &at, stop, FEWEST, surprises):
            return True
        if at >= stop:
            return False
        at += 1
        last = stop if stop < at + STRING else at + STRING
        while at < last and not KINDS[text[at]] & IS_QUOTE:
            if text[at] == 41 or text[at] == 10:
                return False
            at += 1
        if at >= last:
            return False
    return False


cdef bint _element(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, const unsigned char *surprises) noexcept:
    cdef Py_ssize_t stop = size if size < end + MOST else end + MOST
    cdef Py_ssize_t at, start = end - 1
    cdef unsigned char before = text[end - 2] if end > 1 else 0
    if before == 61 and text[end - 1] == 34:
        at = end
        while at < stop and at < end + ATTRIBUTE and not (
            text[at] == 34 or text[at] == 60 or text[at] == 62 or text[at] == 10
        ):
            at += 1
        if not _begins(text, at, stop, "\">", 2):
            return False
        start = at + 2
        if _begins(text, start, stop, "<![CDATA[", 9):
            start += 9
    elif before != 62 and before != 91:
        return False
    at = start
    while at < stop and text[at] != 60 and text[at] != 10:
        at += 1
    if not _begins(text, at, stop, "</", 2):
        return False
    return _value(text, start, at, QUOTED, FEWEST, surprises)


cdef bint _reads(const unsigned char *text, Py_ssize_t start, Py_ssize_t stop, const char *word, Py_ssize_t length) noexcept:
    """Whether `word` stands between `start` and `stop`, in any case."""
    cdef Py_ssize_t i
    if start < 0 or stop - start < length:
        return False
    for i in range(length):
        if _small(text[start + i]) != <unsigned char> word[i]:
            return False
    return True


cdef Py_ssize_t _past_quote(const unsigned char *text, Py_ssize_t size, Py_ssize_t at) noexcept:
    if at < size and text[at] == 92:
        at += 1
    if at < size and (text[at] == 34 or text[at] == 39):
        at += 1
    return at


cdef bint _named(const unsigned char *text, Py_ssize_t size, Py_ssize_t end, const unsigned char *surprises) noexcept:
    cdef Py_ssize_t at = end - 1, stop
    cdef int lines = 0
    cdef unsigned char last = text[end - 1]
    if last == 44:
        at = end
        stop = size if size < end + BETWEEN_PAIR else end + BETWEEN_PAIR
        while at < stop and KINDS[text[at]] & IS_WHITE and lines < 2:
            lines += text[at] == 10
            at += 1
        at = _past_quote(text, size, at)
        if _reads(text, at, size, "value", 5):
            at += 5
        elif _reads(text, at, size, "content", 7):
            at += 7
        else:
            return False
        at = _past_quote(text, size, at)
        stop = size if size < at + 2 else at + 2
        while at < stop and KINDS[text[at]] & IS_SPACE:
            at += 1
        return at < size and (text[at] == 61 or text[at] == 58) and _assignment(text, size, at + 1, surprises)
    if last == 34:
        at -= 1
        end -= 1
        if at < 0 or text[at] != 61:
            return False
    elif last != 61 and last != 58:
        return False
    if at > 0 and text[at - 1] == 32:
        at -= 1
    if _reads(text, at - 5, at, "value", 5):
        at -= 5
    elif _reads(text, at - 7, at, "content", 7):
        at -= 7
    else:
        return False
    if at < 1 or KINDS[text[at - 1]] & IS_WORD or text[at - 1] == 46 or text[at - 1] == 45 or text[at - 1] == 36:
        return False
    return _assignment(text, size, end, surprises)


cdef bint _numbers(const unsigned char *text, Py_ssize_t size, Py_ssize_t end) noexcept:
    cdef Py_ssize_t at = end, stop = size if size < end + LITERAL else end + LITERAL, start
    cdef int turn
    if text[end - 1] != 61 and text[end - 1] != 58:
        return False
    while at < stop and KINDS[text[at]] & IS_LITERAL:
        at += 1
    for turn in range(SEVERAL):
        if at >= size or text[at] != 44:
            return False
        at += 1
        while at < size and KINDS[text[at]] & IS_SPACE:
            at += 1
        start = at
        while at < size and KINDS[text[at]] & IS_HEX:
            at += 1
        if at == start:
            return False
    return True


cdef bint _authority(const unsigned char *text, Py_ssize_t size, Py_ssize_t end) noexcept:
    cdef Py_ssize_t at = end, stop = size if size < end + USER + 1 else end + USER + 1
    while at < stop and not KINDS[text[at]] & IS_NO_USER:
        at += 1
    return at < stop and text[at] == 58 and _password(text, size, at + 1)


cdef bint _password(const unsigned char *text, Py_ssize_t size, Py_ssize_t start) noexcept:
    cdef Py_ssize_t at = start, stop = size if size < start + PASSWORD + 2 else start + PASSWORD + 2
    while at < stop and not KINDS[text[at]] & IS_APART:
        at += 1
    return start < at < stop - 1 and text[at] == 64 and KINDS[text[at + 1]] & IS_HOST != 0


cdef bint _command(const unsigned char *text, Py_ssize_t size, Py_ssize_t end) noexcept:
    cdef Py_ssize_t at, next, stop = size if size < end + OPTIONS else end + OPTIONS
    cdef unsigned char c, option, after
    for at in range(end - 1, stop):
        c = text[at]
        if c == 10 or c == 13:
            return False
        if not (KINDS[c] & IS_SPACE or c == 34 or c == 39) or at + 2 >= size:
            continue
        next = at + 1
        option = text[at + 2]
        after = text[at + 3] if at + 3 < size else 0
        if text[next] == 47:
            if option == 112 and after == 58:
                return True
        elif text[next] == 45 and (
            option == 112
            or option == 117
            or ((option == 97 or option == 119) and (after == 32 or after == 9))
            or (option == 85 and after == 32)
            or _begins(text, next, size, "--user", 6)
        ):
            return True
    return False


cdef int _key(const unsigned char *text, Py_ssize_t end) noexcept:
    """What the last letters of the key before a separator say: that it is WEAK, that it is NEVER one, or nothing."""
    cdef Py_ssize_t at = end - 1, low = end - 48 if end > 48 else 0
    cdef int a, b, c, before
    while at > low and not KINDS[text[at]] & IS_WORD:
        at -= 1
    if at < 2:
        return FEWEST
    a, b, c = _small(text[at - 2]), _small(text[at - 1]), _small(text[at])
    if at > 2:
        before = _small(text[at - 3])
        if before == c'd' and a == c'-' and b == c'b' and c == c'y':
            return NEVER
        if (before == c't' and a == c'h' and b == c'o' and c == c'r') or (
            before == c'i' and a == c'z' and b == c'e' and c == c'r'
        ):
            return NEVER
    if (
        (a == c'k' and b == c'e' and (c == c'y' or c == c'n'))
        or (a == c'e' and b == c'y' and c == c's')
        or (a == c'e' and b == c'n' and c == c's')
        or (a == c'u' and b == c't' and c == c'h')
        or (a == c'i' and b == c'o' and c == c'n')
        or (a == c'_' and b == c'i' and c == c'd')
        or (a == c'a' and b == c'm' and c == c'e')
        or (a == c'y' and b == c'p' and c == c'e')
    ):
        return WEAK
    return FEWEST


cdef int _small(unsigned char c) noexcept:
    return c + 32 if 65 <= c <= 90 else c


cdef bint _quoted(const unsigned char *text, Py_ssize_t *place, Py_ssize_t stop, int fewest,
                  const unsigned char *surprises) noexcept:
    cdef Py_ssize_t start = place[0] + 1, at
    cdef unsigned char quote = text[place[0]]
    if start + 1 < stop and text[start] == quote:
        if text[start + 1] == quote:
            start += 2
        elif quote == 96:
            start += 1
    at = start
    while at < stop and text[at] != quote and text[at] != 10:
        at += 1
    if at >= stop or text[at] != quote:
        place[0] = stop
        return False
    place[0] = at
    return _value(text, start, at, QUOTED, fewest, surprises)


cdef bint _value(const unsigned char *text, Py_ssize_t start, Py_ssize_t end, int least, int fewest,
                 const unsigned char *surprises) noexcept:
    cdef int letters = 0, digits = 0, spaces = 0, dots = 0, total = 0, a = 0, b = 0, c
    cdef bint small = False
    cdef unsigned char first, second
    cdef Py_ssize_t i
    if end - start < fewest:
        return False
    first, second = text[start], text[start + 1]
    if (first in (36, 123, 60, 37, 35, 64) and second in (123, 40, 37, 91, 36)) or (first == 36 and least == BARE):
        return False
    if end > start + 80:
        end = start + 80
    for i in range(start, end):
        c = text[i]
        if 65 <= c <= 90:
            c += 32
            if small:
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


cdef class Forest:
    """Boosted trees: the compiled twin of `generic.score.PlainForest`, which documents it."""

    cdef int *_which
    cdef double *_thresholds
    cdef int *_left
    cdef int *_right
    cdef int *_nodes  # where each tree's inner nodes begin
    cdef int *_ends  # where each tree's thresholds and leaves end
    cdef int *_numbers  # where each tree's thresholds begin
    cdef int _count, _wide

    def __cinit__(self, trees, int wide):
        cdef int tree = 0, node = 0, number = 0, i
        cdef int nodes = sum(len(t[0]) for t in trees), numbers = sum(len(t[1]) for t in trees)
        self._count, self._wide = len(trees), wide
        self._which = <int *> PyMem_Malloc((nodes + 1) * sizeof(int))
        self._left = <int *> PyMem_Malloc((nodes + 1) * sizeof(int))
        self._right = <int *> PyMem_Malloc((nodes + 1) * sizeof(int))
        self._thresholds = <double *> PyMem_Malloc((numbers + 1) * sizeof(double))
        self._nodes = <int *> PyMem_Malloc((self._count + 1) * sizeof(int))
        self._ends = <int *> PyMem_Malloc((self._count + 1) * sizeof(int))
        self._numbers = <int *> PyMem_Malloc((self._count + 1) * sizeof(int))
        if not (self._which and self._left and self._right and self._thresholds and self._nodes and self._ends and self._numbers):
            raise MemoryError
        for which, thresholds, left, right in trees:
            size, leaves = len(which), len(thresholds) - len(which)
            if not size or leaves != size + 1 or len(left) != size or len(right) != size:
                raise ValueError("a tree has one leaf more than it has inner nodes")
            self._nodes[tree], self._numbers[tree], self._ends[tree] = node, number, number + len(thresholds)
            for i in range(size):
                if not 0 <= which[i] < wide:
                    raise ValueError("no such feature")
                for child in (left[i], right[i]):
                    if not (i < child < size or -leaves <= child < 0):
                        raise ValueError("no such node")
                self._which[node + i], self._left[node + i], self._right[node + i] = which[i], left[i], right[i]
            for i in range(len(thresholds)):
                self._thresholds[number + i] = thresholds[i]
            node += size
            number += len(thresholds)
            tree += 1

    def __dealloc__(self):
        PyMem_Free(self._which)
        PyMem_Free(self._left)
        PyMem_Free(self._right)
        PyMem_Free(self._thresholds)
        PyMem_Free(self._nodes)
        PyMem_Free(self._ends)
        PyMem_Free(self._numbers)

    def __call__(self, list numbers not None):
        cdef double values[256]
        cdef double total = 0
        cdef int tree, node, base, first, i = 0
        if len(numbers) != self._wide or self._wide > 256:
            raise ValueError(f"{self._wide} features are wanted, and no more than 256")
        for number in numbers:
            values[i] = number
            i += 1
        for tree in range(self._count):
            base, first = self._nodes[tree], self._numbers[tree]
            node = 0
            while node >= 0:
                if values[self._which[base + node]] <= self._thresholds[first + node]:
                    node = self._left[base + node]
                else:
                    node = self._right[base + node]
            total += self._thresholds[self._ends[tree] + node]
        return total
