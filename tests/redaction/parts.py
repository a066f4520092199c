"""Made-up text with secrets in it."""

from __future__ import annotations

import base64
import random


def private_key(seed: str, line: int = 64, end: str = "\n") -> str:
    """What looks like a private key in PEM, and is none."""
    body = base64.b64encode(random.Random(seed).randbytes(600)).decode()
    lines = [body[at : at + line] for at in range(0, len(body), line)]
    return end.join([f"-----BEGIN {'PRIVATE'} KEY-----", *lines, f"-----END {'PRIVATE'} KEY-----", ""])
