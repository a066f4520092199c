"""Checksums that token formats carry: `check` tells a real token from a look-alike, `seal` makes one right.

A rule names one by its key in `CHECKSUMS`.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from scanner.detect.common import DEFAULTS

BASE36 = b"0123456789abcdefghijklmnopqrstuvwxyz"
BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Checksum(NamedTuple):
    """Both take the whole secret as the rule's pattern yields it."""

    check: Callable[[bytes], bool]
    seal: Callable[[bytes], bytes]
    """The same token with its checksum part made right; the length stays."""


def base36(number: int, width: int) -> bytes:
    """`number` in base 36 (digits, lower case), left-padded with zeros to `width` characters."""
    return _digits(number, BASE36).rjust(width, b"0")


def base62(number: int, width: int) -> bytes:
    """`number` in base 62 (digits, upper case, lower case), left-padded with zeros to `width` characters."""
    return _digits(number, BASE62).rjust(width, b"0")


def _digits(number: int, alphabet: bytes) -> bytes:
    digits = bytearray()
    while number:
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return bytes(digits[::-1])


def _crc32_tail(token: bytes) -> bytes:
    """CRC-32 in six base-62 characters over what stands between the first underscore and the checksum.

    https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/ and, for npm,
    https://github.blog/security/announcing-npms-new-access-token-format/
    """
    return base62(zlib.crc32(token.partition(b"_")[2][:-6]), 6)


def _crc32_check(token: bytes) -> bool:
    return token[-6:] == _crc32_tail(token)


def _crc32_seal(token: bytes) -> bytes:
    return token[:-6] + _crc32_tail(token)


_ROUTABLE = re.compile(rb"([a-z]+-)([0-9A-Za-z_-]+)\.01\.[0-9a-z]{9}")
"""Prefix, payload, version, then two characters for the payload's length and seven for the checksum, both base 36."""


def _gitlab_check(token: bytes) -> bool:
    """The routable form alone; the older random tokens carry no checksum.

    Version 01 ends with the CRC-32, in seven base-36 characters, of all that stands before it, prefix included.
    https://handbook.gitlab.com/handbook/engineering/architecture/design-documents/cells/routable_tokens/
    """
    return bool(_ROUTABLE.fullmatch(token)) and token[-7:] == base36(zlib.crc32(token[:-7]), 7)


def _gitlab_seal(token: bytes) -> bytes:
    routable = _ROUTABLE.fullmatch(token)
    if not routable:
        return token
    body = token[:-9] + base36(len(routable[2]), 2)
    return body + base36(zlib.crc32(body), 7)


def _grafana_tail(token: bytes) -> bytes:
    """CRC-32, as the hexadecimal digits of its bytes from the lowest up, over all that stands before the last underscore.

    https://github.com/grafana/grafana/blob/main/pkg/components/satokengen/tokengen.go
    """
    return zlib.crc32(token[:-9]).to_bytes(4, "little").hex().encode()


def _grafana_check(token: bytes) -> bool:
    return token[-8:] == _grafana_tail(token)


def _grafana_seal(token: bytes) -> bytes:
    return token[:-8] + _grafana_tail(token)


POLAR = 37
"""Random characters of a Polar token; six for the checksum follow."""


def _polar_tail(token: bytes) -> bytes:
    """CRC-32 in six base-62 characters over the random ones before it.

    https://github.com/polarsource/polar/blob/main/server/polar/kit/crypto.py
    """
    return base62(zlib.crc32(token[-POLAR - 6 : -6]), 6)


def _polar_check(token: bytes) -> bool:
    return token[-6:] == _polar_tail(token)


def _polar_seal(token: bytes) -> bytes:
    return token[:-6] + _polar_tail(token)


def _basic_check(token: bytes) -> bool:
    """User and password in base64, joined by a colon (RFC 7617, section 2). A password that everybody writes is none."""
    try:
        text = base64.b64decode(token.translate(_STANDARD) + b"=" * (-len(token) % 4)).decode()
    except ValueError:
        return False
    user, colon, password = text.partition(":")
    spoken = bool(user or password) and bool(colon) and text.isprintable() and "<" not in text and "{" not in text
    return spoken and len(password) > 2 and password.lower().encode() not in DEFAULTS and password != user


def _basic_seal(token: bytes) -> bytes:
    """Four characters stay together, so that what is left over is dropped."""
    return base64.b64encode(b"deploy:" + token)[: len(token) - len(token) % 4]


def _bytes_check(text: bytes) -> bool:
    """Numbers of bytes, separated by commas, that neither count nor repeat."""
    numbers = [int(part, 0) for part in re.split(rb",\s*", text.replace(b"0X", b"0x")) if not re.match(rb"0\d", part)]
    steps = {b - a for a, b in pairwise(numbers)}
    return len(numbers) > 7 and max(numbers) < 256 and len(set(numbers)) * 2 > len(numbers[:64]) and len(steps) > 4


_STANDARD = bytes.maketrans(b"-_", b"+/")

CHECKSUMS: dict[str, Checksum] = {
    "basic": Checksum(_basic_check, _basic_seal),
    "bytes": Checksum(_bytes_check, lambda text: text),
    "github": Checksum(_crc32_check, _crc32_seal),
    "gitlab-routable": Checksum(_gitlab_check, _gitlab_seal),
    "grafana": Checksum(_grafana_check, _grafana_seal),
    "polar": Checksum(_polar_check, _polar_seal),
    "npm": Checksum(_crc32_check, _crc32_seal),
}
