# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Which hits of context words can lead to anything: the compiled twin of `sift`, which documents it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc


cdef enum:
    STARTS = 16


cdef struct Need:
    const unsigned char *letters  # NULL: nothing is needed
    const unsigned char *barred
    Py_ssize_t shortest, near  # a negative distance: never
    Py_ssize_t starts[STARTS]
    int count  # of starts


cdef class Sift:
    cdef Need *_needs
    cdef Py_ssize_t _count
    cdef list _kept

    def __cinit__(self, needs):
        cdef list given = list(needs)
        cdef Py_ssize_t i
        self._kept = []
        self._count = len(given)
        self._needs = <Need *> PyMem_Malloc((self._count + 1) * sizeof(Need))
        if self._needs == NULL:
            raise MemoryError
        tables = {}
        for i, need in enumerate(given):
            self._needs[i].letters = NULL
            self._needs[i].shortest = 1
            self._needs[i].near = 0
            self._needs[i].count = 0
            if need is None:
                continue
            if len(need) == 0:
                need = (bytes(256), 1, -1, (), bytes(256))
            letters, shortest, near, starts, barred = need
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

    def __dealloc__(self):
        PyMem_Free(self._needs)

    def __call__(self, bytes data not None, list hits not None):
        cdef const unsigned char *text = <const unsigned char *> PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t end, anchor, last
        cdef const Need *need
        cdef list out = []
        cdef tuple hit
        for hit in hits:
            anchor = hit[1]
            if anchor < 0 or anchor >= self._count:
                raise IndexError("no such anchor")
            need = &self._needs[anchor]
            if need.letters == NULL:
                out.append(hit)
                continue
            end = hit[0]
            if end < 0:
                raise IndexError("no such place")
            if end > size:
                raise IndexError("no such place")
            if need.count:
                if _starts(text, size, end, need):
                    out.append(hit)
                continue
            last = end + need.near
            if last > size - need.shortest:
                last = size - need.shortest
            if _run(text, end, last, need.letters, need.shortest) >= 0:
                out.append(hit)
        return out


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
