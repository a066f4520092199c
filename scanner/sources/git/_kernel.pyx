# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Applying a delta and naming what it may have changed: the compiled twin of `kernel_py`, which documents it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcpy

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


def fresh_entries(bytes tree not None, list windows not None, Py_ssize_t oid_size):
    cdef const unsigned char *data = <const unsigned char *> PyBytes_AS_STRING(tree)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(tree)
    cdef Py_ssize_t at = 0, end, stop, low = 0, high = -1, which = 0
    cdef Py_ssize_t count = len(windows)
    cdef Py_ssize_t folders_size = 0, others_size = 0
    cdef bytes folders, others
    cdef unsigned char *folder
    cdef unsigned char *other
    # an entry is at least a digit, a blank, a name's byte, a zero and the id: so many can there be
    cdef Py_ssize_t most = (size // (oid_size + 4) + 1) * 8
    folders = PyBytes_FromStringAndSize(NULL, most)
    others = PyBytes_FromStringAndSize(NULL, most)
    folder = <unsigned char *> PyBytes_AS_STRING(folders)
    other = <unsigned char *> PyBytes_AS_STRING(others)
    if which < count:
        low, high = windows[which]
    while at < size:
        stop = _entry(data, size, at, oid_size)
        while which < count and high <= at:
            which += 1
            if which < count:
                low, high = windows[which]
        if which < count and low < stop:
            if (data[at] == 0x34 and data[at + 1] == 0x30) or (data[at] == 0x30 and data[at + 1] == 0x34):
                memcpy(folder + folders_size, data + stop - oid_size, 8)
                folders_size += 8
            else:
                memcpy(other + others_size, data + stop - oid_size, 8)
                others_size += 8
        at = stop
    return folders[:folders_size], others[:others_size]


def find_entries(bytes tree not None, Py_ssize_t oid_size, set wanted not None):
    cdef const unsigned char *data = <const unsigned char *> PyBytes_AS_STRING(tree)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(tree)
    cdef Py_ssize_t at = 0, stop
    cdef const unsigned char *space
    cdef list out = []
    cdef bytes oid
    while at < size:
        stop = _entry(data, size, at, oid_size)
        oid = PyBytes_FromStringAndSize(<char *> data + stop - oid_size, oid_size)
        if oid in wanted:
            space = <const unsigned char *> memchr(data + at, 0x20, stop - at)
            out.append((tree[space - data + 1:stop - oid_size - 1], oid))
        at = stop
    return out


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
