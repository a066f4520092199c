# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Applying a delta and naming what it may have changed: the compiled twin of `kernel_py`, which documents it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy

from scanner.sources.git.kernel_py import BadDelta


def apply(bytes base not None, bytes patch not None, Py_ssize_t back, Py_ssize_t forward, Py_ssize_t lead,
          Py_ssize_t limit, bint wants_copies):
    cdef const unsigned char *source = <const unsigned char *> PyBytes_AS_STRING(base)
    cdef const unsigned char *ops = <const unsigned char *> PyBytes_AS_STRING(patch)
    cdef Py_ssize_t base_size = PyBytes_GET_SIZE(base)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(patch)
    cdef Py_ssize_t at = 0, done = 0, target_size, start, length, low, high
    cdef Py_ssize_t copy_target = -1, copy_base = -1, copy_length = 0
    cdef Py_ssize_t open_low = -1, open_high = -1
    cdef int op
    cdef bytes target
    cdef unsigned char *out
    cdef list copies = [] if wants_copies else None
    cdef list windows = []

    if _size(ops, size, &at) != base_size:
        raise BadDelta("its base has another size")
    target_size = _size(ops, size, &at)
    if target_size > limit:
        raise BadDelta("its target is too large")
    target = PyBytes_FromStringAndSize(NULL, target_size)
    out = <unsigned char *> PyBytes_AS_STRING(target)
    while at < size:
        op = ops[at]
        at += 1
        if op & 0x80:
            start = 0
            length = 0
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
                if copy_length and wants_copies:
                    copies.append((copy_target, copy_base, copy_length))
                copy_target = done
                copy_base = start
                copy_length = length
                if done or start:  # a seam, but where both begin
                    low = done - forward if done > forward else 0
                    high = done + back
                    if open_high >= low:
                        if high > open_high:
                            open_high = high
                    else:
                        if open_high >= 0:
                            windows.append((open_low, open_high))
                        open_low = low
                        open_high = high
            done += length
        elif op:
            if op > size - at:
                raise BadDelta("it ends within an insertion")
            if op > target_size - done:
                raise BadDelta("it makes more than it says")
            memcpy(out + done, ops + at, op)
            at += op
            low = done - forward if done > forward else 0
            done += op
            high = done + back
            if open_high >= low:
                if high > open_high:
                    open_high = high
            else:
                if open_high >= 0:
                    windows.append((open_low, open_high))
                open_low = low
                open_high = high
        else:
            raise BadDelta("it holds an unknown operation")
    if done != target_size:
        raise BadDelta("it makes less than it says")
    if copy_length and wants_copies:
        copies.append((copy_target, copy_base, copy_length))
    if not (copy_length and copy_target + copy_length == done and copy_base + copy_length == base_size):
        low = done - forward if done > forward else 0
        if open_high >= low:
            open_high = done
        else:
            if open_high >= 0:
                windows.append((open_low, open_high))
            open_low = low
            open_high = done
    if open_high >= 0:
        windows.append((open_low, open_high))
    return target, copies, windows


def gather(bytes target not None, list windows not None, Py_ssize_t lead):
    cdef const unsigned char *source = <const unsigned char *> PyBytes_AS_STRING(target)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(target)
    cdef Py_ssize_t total = 0, at = 0, low, high
    cdef list places = []
    cdef bytes text
    cdef unsigned char *out
    for low, high in windows:
        low = low - lead if low > lead else 0
        high = high if high < size else size
        total += high - low + 1 if high > low else 0
    if total * 4 >= size * 3:
        return target, None
    text = PyBytes_FromStringAndSize(NULL, total)
    out = <unsigned char *> PyBytes_AS_STRING(text)
    for low, high in windows:
        low = low - lead if low > lead else 0
        high = high if high < size else size
        if high <= low:
            continue
        memcpy(out + at, source + low, high - low)
        places.append((at, low))
        at += high - low
        out[at] = 10
        at += 1
    return text, places


cdef struct Entry:
    Py_ssize_t name, size, stop  # where its name begins, the name's bytes, where the entry stops
    bint folder


def changed_entries(bytes base not None, bytes target not None, Py_ssize_t oid_size, set wanted not None,
                    dict names not None, list codes not None, list oids not None):
    cdef const unsigned char *a = <const unsigned char *> PyBytes_AS_STRING(base)
    cdef const unsigned char *b = <const unsigned char *> PyBytes_AS_STRING(target)
    cdef Py_ssize_t a_size = PyBytes_GET_SIZE(base), b_size = PyBytes_GET_SIZE(target)
    cdef Py_ssize_t both = a_size if a_size < b_size else b_size
    cdef Py_ssize_t head = 0, tail = 0, old, new, at = 0, stop
    cdef Entry left, right
    cdef bint has_left = False, has_right = False
    cdef int order

    while both - head >= 8 and memcmp(a + head, b + head, 8) == 0:
        head += 8
    while head < both and a[head] == b[head]:
        head += 1
    while both - tail >= 8 and memcmp(a + a_size - tail - 8, b + b_size - tail - 8, 8) == 0:
        tail += 8
    while tail < both and a[a_size - tail - 1] == b[b_size - tail - 1]:
        tail += 1
    while at < b_size:
        stop = _entry(b, b_size, at, oid_size)
        if stop > head:
            break
        at = stop
    old = new = at
    while True:
        if not has_left and old < a_size:
            _parse(a, a_size, old, oid_size, &left)
            has_left = True
        if not has_right and new < b_size:
            _parse(b, b_size, new, oid_size, &right)
            has_right = True
        if not has_left and not has_right:
            return
        if has_left and has_right:
            order = _order(a, &left, b, &right)
        else:
            order = -1 if has_left else 1
        if order == 0:
            if memcmp(a + left.stop - oid_size, b + right.stop - oid_size, oid_size) != 0:
                _tell(base, a, &left, oid_size, 1, wanted, names, codes, oids)
                _tell(target, b, &right, oid_size, 0, wanted, names, codes, oids)
            old = left.stop
            new = right.stop
            has_left = has_right = False
            if a_size - old == b_size - new and a_size - old <= tail:
                return
        elif order < 0:
            _tell(base, a, &left, oid_size, 1, wanted, names, codes, oids)
            old = left.stop
            has_left = False
        else:
            _tell(target, b, &right, oid_size, 0, wanted, names, codes, oids)
            new = right.stop
            has_right = False


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


cdef int _tell(bytes tree, const unsigned char *data, const Entry *entry, Py_ssize_t oid_size, int gone,
               set wanted, dict names, list codes, list oids) except -1:
    cdef bytes oid, name
    if not entry.folder and not wanted:
        return 0
    oid = PyBytes_FromStringAndSize(<const char *> data + entry.stop - oid_size, oid_size)
    if entry.folder or oid in wanted:
        name = PyBytes_FromStringAndSize(<const char *> data + entry.name, entry.size)
        codes.append(<object> names.setdefault(name, len(names)) << 2 | (2 if entry.folder else 0) | gone)
        oids.append(oid)
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
