# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Applying a delta and naming what it may have changed: the compiled twin of `kernel_py`, which documents it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdlib cimport qsort
from libc.string cimport memchr, memcmp, memcpy

from isal.isal_zlib import decompress, decompressobj

from scanner.sources.git.kernel_py import SMALL, UNREADABLE, BadDelta


def apply(bytes base not None, bytes patch not None, Py_ssize_t span, Py_ssize_t limit):
    cdef const unsigned char *source = <const unsigned char *> PyBytes_AS_STRING(base)
    cdef const unsigned char *ops = <const unsigned char *> PyBytes_AS_STRING(patch)
    cdef Py_ssize_t base_size = PyBytes_GET_SIZE(base)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(patch)
    cdef Py_ssize_t at = 0, done = 0, target_size, start, length
    cdef Py_ssize_t copy_target = -1, copy_base = -1, copy_length = 0
    cdef Py_ssize_t low = -1, high = -1
    cdef int op
    cdef bytes target
    cdef unsigned char *out
    cdef Copies copies
    cdef list windows = []

    copies.all, copies.count, copies.room = NULL, 0, 0
    if _size(ops, size, &at) != base_size:
        raise BadDelta("its base has another size")
    target_size = _size(ops, size, &at)
    if target_size > limit:
        raise BadDelta("its target is too large")
    target = PyBytes_FromStringAndSize(NULL, target_size)
    out = <unsigned char *> PyBytes_AS_STRING(target)
    try:
        while at < size:
            op = ops[at]
            at += 1
            if op & 0x80:
                start = 0
                length = (op & 1) + (op >> 1 & 1) + (op >> 2 & 1) + (op >> 3 & 1) + (op >> 4 & 1) + (op >> 5 & 1) + (op >> 6 & 1)
                if length > size - at:
                    raise BadDelta("it ends within a copy")
                length = 0
                if op & 0x01:
                    start = ops[at]; at += 1
                if op & 0x02:
                    start |= <Py_ssize_t> ops[at] << 8; at += 1
                if op & 0x04:
                    start |= <Py_ssize_t> ops[at] << 16; at += 1
                if op & 0x08:
                    start |= <Py_ssize_t> ops[at] << 24; at += 1
                if op & 0x10:
                    length = ops[at]; at += 1
                if op & 0x20:
                    length |= <Py_ssize_t> ops[at] << 8; at += 1
                if op & 0x40:
                    length |= <Py_ssize_t> ops[at] << 16; at += 1
                if length == 0:
                    length = 0x10000
                if start > base_size or length > base_size - start:
                    raise BadDelta("it copies from beyond its base")
                if length > target_size - done:
                    raise BadDelta("it makes more than it says")
                memcpy(out + done, source + start, length)
                if copy_length and copy_target + copy_length == done and copy_base + copy_length == start:
                    copy_length += length
                else:
                    if copy_length:
                        _copied(&copies, copy_target, copy_base, copy_length)
                    copy_target = done
                    copy_base = start
                    copy_length = length
                    if span and (done or start):  # a seam, but where both begin
                        _widen(windows, &low, &high, done, done, span, target_size)
                done += length
            elif op:
                if op > size - at:
                    raise BadDelta("it ends within an insertion")
                if op > target_size - done:
                    raise BadDelta("it makes more than it says")
                memcpy(out + done, ops + at, op)
                at += op
                if span:
                    _widen(windows, &low, &high, done, done + op, span, target_size)
                done += op
            else:
                raise BadDelta("it holds an unknown operation")
        if done != target_size:
            raise BadDelta("it makes less than it says")
        if copy_length:
            _copied(&copies, copy_target, copy_base, copy_length)
        if low >= 0:
            windows.append((low, high))
        return target, PyBytes_FromStringAndSize(<const char *> copies.all, copies.count * <Py_ssize_t> sizeof(Copy)), windows
    finally:
        PyMem_Free(copies.all)


cdef struct Copy:
    long long target, base, length


cdef struct Copies:
    Copy *all
    Py_ssize_t count, room


cdef int _copied(Copies *copies, Py_ssize_t target, Py_ssize_t base, Py_ssize_t length) except -1:
    cdef Copy *more
    if copies.count == copies.room:
        copies.room = 2 * copies.room + 64
        more = <Copy *> PyMem_Realloc(copies.all, copies.room * sizeof(Copy))
        if more == NULL:
            raise MemoryError
        copies.all = more
    copies.all[copies.count] = Copy(target, base, length)
    copies.count += 1
    return 0


cdef int _widen(list windows, Py_ssize_t *low, Py_ssize_t *high, Py_ssize_t start, Py_ssize_t stop,
                Py_ssize_t span, Py_ssize_t size) except -1:
    start = start - span + 1 if start >= span else 0
    stop = stop + span - 1 if span - 1 < size - stop else size
    if high[0] >= start:
        if stop > high[0]:
            high[0] = stop
        return 0
    if low[0] >= 0:
        windows.append((low[0], high[0]))
    low[0] = start
    high[0] = stop
    return 0


def gather(bytes target not None, list windows not None):
    cdef const unsigned char *source = <const unsigned char *> PyBytes_AS_STRING(target)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(target)
    cdef Py_ssize_t total = 0, at = 0, low, high
    cdef list places = []
    cdef bytes text
    cdef unsigned char *out
    for low, high in windows:
        if not 0 <= low <= high <= size:
            raise ValueError("a window lies outside of its text")
        total += high - low + 1
    if total * 4 >= size * 3:
        return target, [(0, 0, size)]
    text = PyBytes_FromStringAndSize(NULL, total)
    out = <unsigned char *> PyBytes_AS_STRING(text)
    for low, high in windows:
        memcpy(out + at, source + low, high - low)
        places.append((at, low, high))
        at += high - low
        out[at] = 10
        at += 1
    return text, places


cdef struct Hit:
    int end, anchor


cdef struct Reach:
    int back, forward, inner, lines


def carry(bytes hits not None, list found not None, list places not None, bytes copies not None,
          bytes base_text not None, Py_ssize_t target_size, Py_ssize_t span, bytes reaches not None):
    cdef const unsigned char *text = <const unsigned char *> PyBytes_AS_STRING(base_text)
    cdef Py_ssize_t base_size = PyBytes_GET_SIZE(base_text)
    cdef const Hit *old = <const Hit *> PyBytes_AS_STRING(hits)
    cdef const Reach *reach = <const Reach *> PyBytes_AS_STRING(reaches)
    cdef Py_ssize_t count = PyBytes_GET_SIZE(hits) // <Py_ssize_t> sizeof(Hit)
    cdef Py_ssize_t anchors = PyBytes_GET_SIZE(reaches) // <Py_ssize_t> sizeof(Reach)
    cdef Py_ssize_t target, base, length, stop, first, low, high, at, place = -1, offset = 0, shift = 0
    cdef Py_ssize_t made = 0, room, i, n, run
    cdef Py_ssize_t runs = PyBytes_GET_SIZE(copies) // <Py_ssize_t> sizeof(Copy) if count else 0
    cdef const Copy *copied = <const Copy *> PyBytes_AS_STRING(copies)
    cdef Py_ssize_t end, anchor
    cdef bint left, right
    cdef Marked *out
    cdef list again = []
    cdef bytes result
    cdef Hit *into

    room = len(found)
    for run in range(runs):
        room += _upto(old, count, copied[run].base + copied[run].length) - _upto(old, count, copied[run].base)
    out = <Marked *> PyMem_Malloc((room + 1) * sizeof(Marked))
    if out == NULL:
        raise MemoryError
    try:
        for run in range(runs):
            target, base, length = copied[run].target, copied[run].base, copied[run].length
            stop = base + length
            first = _upto(old, count, 0 if base == 0 and target == 0 else base + span - 1)
            for i in range(first, count):
                end = old[i].end
                if end > stop:
                    break
                anchor = old[i].anchor
                if anchor < 0 or anchor >= anchors:
                    raise IndexError("no such anchor")
                if made >= room:
                    raise ValueError("hits are not in order")
                low = end - reach[anchor].back
                high = end + reach[anchor].forward
                if reach[anchor].lines > 0:
                    low = _line_start(text, base_size, low, end - reach[anchor].inner)
                    high = _line_stop(text, base_size, end, high, reach[anchor].lines)
                left = base <= low or (base == 0 and target == 0)
                right = high <= stop or (stop == base_size and target + length == target_size)
                out[made].end = <int> (end + target - base)
                out[made].anchor = <int> anchor
                out[made].fresh = not (left and right)
                made += 1
        n = len(places)
        stop = 0
        for end, anchor in found:
            while place + 1 < n:
                at, low, high = places[place + 1]
                if at >= end:
                    break
                place += 1
                offset = at
                shift = low - at
                stop = high - low + at
            if end > stop or (offset + shift > 0 and end - offset < span):
                continue  # across the seam between two windows, or not of the edit
            if made >= room:
                raise ValueError("hits are not in order")
            out[made].end = <int> (end + shift)
            out[made].anchor = <int> anchor
            out[made].fresh = 2
            made += 1
        qsort(out, made, sizeof(Marked), _by_place)
        # the same hit carried and found counts as carried
        n = 0
        for i in range(made):
            if n and out[n - 1].end == out[i].end and out[n - 1].anchor == out[i].anchor:
                continue
            out[n] = out[i]
            n += 1
        result = PyBytes_FromStringAndSize(NULL, n * <Py_ssize_t> sizeof(Hit))
        into = <Hit *> PyBytes_AS_STRING(result)
        for i in range(n):
            into[i].end = out[i].end
            into[i].anchor = out[i].anchor
            if out[i].fresh:
                again.append((<Py_ssize_t> out[i].end, <Py_ssize_t> out[i].anchor))
        return result, again
    finally:
        PyMem_Free(out)


cdef Py_ssize_t _line_start(const unsigned char *text, Py_ssize_t size, Py_ssize_t low, Py_ssize_t at) noexcept:
    """Where the last newline before `at` stands, `low` at the earliest; else `low`."""
    cdef Py_ssize_t first = low if low > 0 else 0
    if at > size:
        at = size
    while at > first:
        at -= 1
        if text[at] == 10:
            return at
    return low


cdef Py_ssize_t _line_stop(const unsigned char *text, Py_ssize_t size, Py_ssize_t at, Py_ssize_t high, int lines) noexcept:
    """Where the line stops that is `lines` lines on, counting the one that `at` is in; `high` at the latest."""
    cdef const unsigned char *found
    cdef Py_ssize_t stop = high if high < size else size
    while lines > 0:
        if at < 0 or at >= stop:
            return high
        found = <const unsigned char *> memchr(text + at, 10, stop - at)
        if found == NULL:
            return high
        at = found - text + 1
        lines -= 1
    return at


def follow(list marks not None, bytes copies not None, Py_ssize_t base_size, Py_ssize_t target_size, Py_ssize_t span):
    cdef const Copy *copied = <const Copy *> PyBytes_AS_STRING(copies)
    cdef Py_ssize_t runs = PyBytes_GET_SIZE(copies) // <Py_ssize_t> sizeof(Copy), run, number = -1
    cdef Py_ssize_t end, back, forward, stop
    cdef bint first, left, right
    cdef list out = []
    for end, back, forward in marks:
        number += 1
        for run in range(runs):
            stop = copied[run].base + copied[run].length
            first = copied[run].base == 0 and copied[run].target == 0
            if not (first or copied[run].base + span <= end) or not copied[run].base < end <= stop:
                continue
            left = first or copied[run].base <= end - back
            right = end + forward <= stop or (
                stop == base_size and copied[run].target + copied[run].length == target_size
            )
            out.append((number, <Py_ssize_t> (copied[run].target - copied[run].base), left and right))
    return out


cdef struct Marked:
    int end, anchor, fresh


cdef int _by_place(const void *a, const void *b) noexcept nogil:
    cdef const Marked *x = <const Marked *> a
    cdef const Marked *y = <const Marked *> b
    if x.end != y.end:
        return -1 if x.end < y.end else 1
    if x.anchor != y.anchor:
        return -1 if x.anchor < y.anchor else 1
    return x.fresh - y.fresh


cdef Py_ssize_t _upto(const Hit *hits, Py_ssize_t count, Py_ssize_t end) noexcept:
    """How many hits end at `end` or before."""
    cdef Py_ssize_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if hits[middle].end <= end:
            low = middle + 1
        else:
            high = middle
    return low


cdef struct Entry:
    Py_ssize_t name, size, stop  # where its name begins, the name's bytes, where the entry stops
    bint folder


def changed_entries(bytes base not None, bytes target not None, bytes index not None, bytes copies not None,
                    Py_ssize_t oid_size, set wanted not None, dict names not None, Py_ssize_t owner,
                    bytearray edges not None, bytearray oids not None):
    return _changed_entries(base, target, index, copies, oid_size, wanted, names, owner, edges, oids)


cdef bytes _changed_entries(bytes base, bytes target, bytes index, bytes copies, Py_ssize_t oid_size, set wanted,
                            dict names, Py_ssize_t owner, bytearray edges, bytearray oids):
    cdef const unsigned char *a = <const unsigned char *> PyBytes_AS_STRING(base)
    cdef const unsigned char *b = <const unsigned char *> PyBytes_AS_STRING(target)
    cdef const int *stops = <const int *> PyBytes_AS_STRING(index)
    cdef Py_ssize_t a_size = PyBytes_GET_SIZE(base), b_size = PyBytes_GET_SIZE(target)
    cdef Py_ssize_t count = PyBytes_GET_SIZE(index) // <Py_ssize_t> sizeof(int)
    cdef Py_ssize_t old = 0, new = 0, taken = 0, made = 0, run = 0, room, upto, i
    cdef Py_ssize_t runs = PyBytes_GET_SIZE(copies) // <Py_ssize_t> sizeof(Copy)
    cdef const Copy *copied = <const Copy *> PyBytes_AS_STRING(copies)
    cdef Py_ssize_t at = 0, start = 0, length = 0
    cdef Entry left, right
    cdef bint has_left = False, has_right = False
    cdef int order
    cdef int *out

    if a_size > 0x7fffffff or b_size > 0x7fffffff:
        raise BadDelta("it is too large for a tree")
    if (stops[count - 1] if count else 0) != a_size:
        raise ValueError("the index is of another tree")
    room = b_size // (oid_size + 3) + 1
    out = <int *> PyMem_Malloc(room * sizeof(int))
    if out == NULL:
        raise MemoryError
    try:
        while True:
            if not has_left and not has_right:
                while run < runs:
                    at, start, length = copied[run].target, copied[run].base, copied[run].length
                    if new < at + length:
                        break
                    run += 1
                if run < runs and at <= new and old - start == new - at:  # both stand in one copied run: go to its end
                    upto = _whole_entries(stops, count, start + length)
                    if upto > taken:
                        if upto - taken > room - made:
                            raise ValueError("the index is of another tree")
                        for i in range(taken, upto):
                            out[made] = stops[i] + <int> (at - start)
                            made += 1
                        taken = upto
                        old = stops[upto - 1]
                        new = old + at - start
            if not has_left and old < a_size:
                _parse(a, a_size, old, oid_size, &left)
                has_left = True
            if not has_right and new < b_size:
                _parse(b, b_size, new, oid_size, &right)
                has_right = True
            if not has_left and not has_right:
                break
            if has_left and has_right:
                order = _order(a, &left, b, &right)
            else:
                order = -1 if has_left else 1
            if order == 0 and memcmp(a + left.stop - oid_size, b + right.stop - oid_size, oid_size) != 0:
                _tell(a, &left, oid_size, 1, wanted, names, owner, edges, oids)
                _tell(b, &right, oid_size, 0, wanted, names, owner, edges, oids)
            elif order < 0:
                _tell(a, &left, oid_size, 1, wanted, names, owner, edges, oids)
            elif order > 0:
                _tell(b, &right, oid_size, 0, wanted, names, owner, edges, oids)
            if order <= 0:
                old = left.stop
                taken += 1
                has_left = False
            if order >= 0:
                if made >= room:
                    raise ValueError("the index is of another tree")
                new = right.stop
                out[made] = <int> new
                made += 1
                has_right = False
        return PyBytes_FromStringAndSize(<const char *> out, made * <Py_ssize_t> sizeof(int))
    finally:
        PyMem_Free(out)


cdef Py_ssize_t _whole_entries(const int *stops, Py_ssize_t count, Py_ssize_t head) noexcept:
    """How many entries stop at `head` or before."""
    cdef Py_ssize_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if stops[middle] <= head:
            low = middle + 1
        else:
            high = middle
    return low


def commit_ids(bytes data not None, Py_ssize_t oid_size):
    cdef const unsigned char *text = <const unsigned char *> PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), width = 2 * oid_size, at = 5, count = 0, i
    cdef bytes result
    cdef unsigned char *out
    cdef int high, low
    if size < 6 + width or memcmp(text, <const char *> b"tree ", 5) != 0:
        raise ValueError("it is no commit")
    at = 6 + width
    count = 1
    while size - at >= 8 + width and memcmp(text + at, b"parent ", 7) == 0:
        at += 8 + width
        count += 1
    if size - at >= 7 and memcmp(text + at, b"parent ", 7) == 0:
        raise ValueError("it is no commit")
    result = PyBytes_FromStringAndSize(NULL, count * oid_size)
    out = <unsigned char *> PyBytes_AS_STRING(result)
    for i in range(count * oid_size):
        at = (5 if i < oid_size else 6 + width + 7 + (i // oid_size - 1) * (8 + width)) + 2 * (i % oid_size)
        high = _digit(text[at])
        low = _digit(text[at + 1])
        if high < 0 or low < 0:
            raise ValueError("it is no commit")
        out[i] = <unsigned char> (high << 4 | low)
    return result


cdef int _digit(unsigned char c) noexcept:
    if 0x30 <= c <= 0x39:
        return c - 0x30
    if 0x61 <= c <= 0x66:
        return c - 0x57
    return -1


cdef int _parse(const unsigned char *data, Py_ssize_t size, Py_ssize_t at, Py_ssize_t oid_size,
                Entry *out) except -1:
    cdef const unsigned char *space
    out.stop = _entry(data, size, at, oid_size)
    space = <const unsigned char *> memchr(data + at, 0x20, out.stop - at)
    out.name = space - data + 1
    out.size = out.stop - oid_size - 1 - out.name
    out.folder = (data[at] == 0x34 and data[at + 1] == 0x30) or (data[at] == 0x30 and data[at + 1] == 0x34)
    return 0


cdef int _order(const unsigned char *a, const Entry *left, const unsigned char *b, const Entry *right) noexcept:
    """As git sorts: a folder's name as if a slash followed it."""
    cdef Py_ssize_t left_size = left.size + left.folder, right_size = right.size + right.folder
    cdef Py_ssize_t both = left.size if left.size < right.size else right.size
    cdef int order = memcmp(a + left.name, b + right.name, both)
    cdef int x, y
    if order:
        return order
    # one is the other's beginning, and what follows is a byte, a folder's slash, or nothing
    while both < left_size and both < right_size:
        x = a[left.name + both] if both < left.size else 0x2f
        y = b[right.name + both] if both < right.size else 0x2f
        if x != y:
            return -1 if x < y else 1
        both += 1
    return 0 if left_size == right_size else (-1 if left_size < right_size else 1)


cdef int _tell(const unsigned char *data, const Entry *entry, Py_ssize_t oid_size, int gone, set wanted, dict names,
               Py_ssize_t owner, bytearray edges, bytearray oids) except -1:
    cdef bytes oid, name
    cdef long long record[2]
    if not entry.folder and not wanted:
        return 0
    oid = PyBytes_FromStringAndSize(<const char *> data + entry.stop - oid_size, oid_size)
    if entry.folder or oid in wanted:
        name = PyBytes_FromStringAndSize(<const char *> data + entry.name, entry.size)
        record[0] = owner
        record[1] = <long long> <object> names.setdefault(name, len(names)) << 2 | (2 if entry.folder else 0) | gone
        edges += (<const unsigned char *> record)[:16]
        oids += oid
    return 0


cdef Py_ssize_t _entry(const unsigned char *data, Py_ssize_t size, Py_ssize_t at, Py_ssize_t oid_size) except -1:
    """Where the entry that begins at `at` stops."""
    cdef const unsigned char *end = <const unsigned char *> memchr(data + at, 0, size - at)
    cdef const unsigned char *space
    if end == NULL:
        raise BadDelta("it is no tree")
    space = <const unsigned char *> memchr(data + at, 0x20, end - data - at)
    if space == NULL or space == data + at or oid_size >= size - (end - data):
        raise BadDelta("it is no tree")
    return end - data + 1 + oid_size


cdef Py_ssize_t _size(const unsigned char *ops, Py_ssize_t size, Py_ssize_t *at) except -1:
    cdef Py_ssize_t value = 0
    cdef int shift = 0
    cdef unsigned char c
    while True:
        if at[0] >= size or shift > 56:
            raise BadDelta("its sizes cannot be read")
        c = ops[at[0]]
        at[0] += 1
        value |= <Py_ssize_t> (c & 0x7f) << shift
        shift += 7
        if not c & 0x80:
            return value


cdef class Chains:
    cdef object _data
    cdef const long long[:] _sizes, _starts, _ends, _parents, _first, _kids
    cdef dict _kept
    cdef Py_ssize_t _kept_bytes, _budget, _huge
    cdef readonly Py_ssize_t made_again

    def __init__(self, data, sizes, starts, ends, parents, first, kids, Py_ssize_t budget, Py_ssize_t huge):
        self._data = data
        self._sizes, self._starts, self._ends, self._parents = sizes, starts, ends, parents
        self._first, self._kids = first, kids
        self._kept = {}
        self._kept_bytes = 0
        self._budget = budget
        self._huge = huge
        self.made_again = 0
        if not len(starts) == len(ends) == len(parents) == len(sizes) == len(first) - 1:
            raise ValueError("the numbers are of different packs")

    cpdef bytes inflate(self, Py_ssize_t number):
        cdef Py_ssize_t size
        if number < 0 or number >= self._sizes.shape[0]:
            raise ValueError("no such object")
        size = self._sizes[number]
        if size > self._huge:
            raise ValueError("too large for this path")
        return _inflated(self._data[self._starts[number]:self._ends[number]], size)

    def walk(self, Py_ssize_t root, Py_ssize_t span):
        return _Walk(self, root, span)

    def note(self, Py_ssize_t root, Py_ssize_t oid_size, set wanted not None, dict names not None,
             bytearray edges not None, bytearray oids not None):
        cdef _Walk walk = _Walk(self, root, 0)
        cdef dict indexes = {-1: b""}
        cdef bytes index
        while walk._step():
            if walk._data is None:
                raise ValueError(f"object {walk._number} of its pack is damaged")
            index = _changed_entries(walk._base, walk._data, indexes[walk._parent], walk._copies, oid_size, wanted,
                                     names, walk._number, edges, oids)
            if walk._keeps:
                indexes[walk._number] = index
            if walk._finished >= 0:
                del indexes[walk._finished]

    cdef list _children(self, Py_ssize_t number):
        cdef Py_ssize_t at, low = self._first[number], high = self._first[number + 1]
        if high == low:
            return None
        if low < 0 or high < low or high > self._kids.shape[0]:
            raise ValueError("the numbers are of different packs")
        return [self._kids[at] for at in range(low, high)]

    cdef bytes _base(self, Py_ssize_t number):
        cdef object kept = self._kept.get(number)
        cdef list chain
        cdef Py_ssize_t at, step
        cdef bytes data
        if kept is not None:
            return kept
        self.made_again += 1
        chain = []
        at = number
        while True:
            kept = self._kept.get(at)
            if kept is not None:
                data = kept
                break
            if self._parents[at] < 0:
                data = self.inflate(at)
                break
            chain.append(at)
            at = self._parents[at]
        for step in reversed(chain):
            data = apply(data, self.inflate(step), 0, self._huge)[0]
        self._keep(number, data)
        return data

    cdef int _keep(self, Py_ssize_t number, bytes data) except -1:
        cdef bytes gone
        self._kept[number] = data
        self._kept_bytes += PyBytes_GET_SIZE(data)
        while self._kept_bytes > self._budget and len(self._kept) > 1:
            gone = self._kept.pop(next(iter(self._kept)))
            self._kept_bytes -= PyBytes_GET_SIZE(gone)
        return 0

    cdef int _drop(self, Py_ssize_t number) except -1:
        cdef object gone = self._kept.pop(number, None)
        if gone is not None:
            self._kept_bytes -= PyBytes_GET_SIZE(gone)
        return 0


cdef class _Walk:
    cdef Chains _chains
    cdef Py_ssize_t _root, _span
    cdef list _stack
    cdef dict _left
    # the step it is at: see `kernel_py.Step`
    cdef Py_ssize_t _number, _parent, _finished
    cdef bytes _base, _data, _copies
    cdef object _text, _places
    cdef bint _keeps

    def __cinit__(self, Chains chains not None, Py_ssize_t root, Py_ssize_t span):
        if root < 0 or root >= chains._sizes.shape[0]:
            raise ValueError("no such object")
        self._chains = chains
        self._root = root
        self._span = span
        self._stack = [root]
        self._left = {}

    def __iter__(self):
        return self

    def __next__(self):
        if not self._step():
            raise StopIteration
        return (self._number, self._parent, self._base, self._data, self._copies, self._text, self._places, self._keeps,
                self._finished)

    cdef bint _step(self) except -1:
        """Go on to the next object, if there is one."""
        cdef Py_ssize_t number, parent = -1, left
        cdef list windows, below = None
        if not self._stack:
            return False
        number = self._stack.pop()
        if number != self._root:
            parent = self._chains._parents[number]
        self._number, self._parent, self._finished = number, parent, -1
        self._base = self._copies = b""
        self._data = self._text = self._places = None
        try:
            if parent < 0:
                self._data = self._chains.inflate(number)
                if self._span:
                    self._text, self._places = self._data, [(0, 0, PyBytes_GET_SIZE(self._data))]
            else:
                self._base = self._chains._base(parent)
                self._data, self._copies, windows = apply(
                    self._base, self._chains.inflate(number), self._span, self._chains._huge
                )
                if self._span:
                    self._text, self._places = gather(self._data, windows)
        except UNREADABLE:
            self._data = None
        if self._data is not None:
            below = self._chains._children(number)
            if below is not None:
                self._stack += below
                self._left[number] = len(below)
                self._chains._keep(number, self._data)
        self._keeps = below is not None
        if parent >= 0:
            left = self._left[parent] - 1
            if left:
                self._left[parent] = left
            else:
                del self._left[parent]
                self._chains._drop(parent)
                self._finished = parent
        return True


cdef bytes _inflated(bytes stream, Py_ssize_t size):
    """What a stream holds, if it is of that size."""
    cdef bytes data
    if PyBytes_GET_SIZE(stream) <= SMALL:
        data = decompress(stream, 15, size if size > 0 else 1)
    else:
        inflater = decompressobj()
        data = inflater.decompress(stream, (size if size > 0 else 0) + 1)
        if not inflater.eof:
            raise ValueError("its stream does not end where it should")
    if PyBytes_GET_SIZE(data) != size:
        raise ValueError("it has another size than it says")
    return data
