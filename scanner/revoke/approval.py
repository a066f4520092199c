"""Plans that one person signs and another carries out: what is to be revoked, by which hook, with what effect.

A plan is one JSON document. It names secrets by fingerprints under a salt of its own, as a baseline does, and holds none.
`signature` is Ed25519 (RFC 8032) over `CONTEXT` and the canonical JSON of the rest; keys are those of OpenSSH, so that
people use the ones they have. Who carries a plan out shows by a key of their own that they are not the one who signed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanner.model import DeadkeyError, Finding, Outcome
from scanner.revoke.journal import actor, canonical
from scanner.revoke.settings import TwoPerson
from scanner.verify.clean import scrub, secrets_of
from scanner.verify.interface import Action
from scanner.verify.settings import agent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CONTEXT = b"deadkey revocation plan 1\n"
LARGEST = 16 << 20
"""Bytes of a plan."""
AHEAD = 300.0
"""Seconds that another person's clock may be ahead of this one."""
KEY = "revoke.two_person.key"


def rule_digest(action: Action) -> str:
    """Names what a rule does by its content, 32 hexadecimal digits: the same rule has the same one everywhere."""
    text = json.dumps(action, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Approved:
    """A plan that was read and found good: signed by somebody else who may, whole, and of today."""

    signer: str
    salt: bytes
    entries: Mapping[str, Mapping[str, Any]]
    by: str
    """Whose word it is, for the journal."""

    def refusal(self, finding: Finding, plan: Outcome, digest: str) -> str | None:
        """Why this finding may not be revoked as planned now, or None."""
        entry = self.entries.get(finding.secret.fingerprint(self.salt))
        if entry is None:
            return f"it is not in the plan that {self.signer} signed"
        if (entry.get("rule"), entry.get("rule_digest")) != (finding.rule, digest):
            return f"its rule is not the one in the plan that {self.signer} signed"
        if (entry.get("hook"), entry.get("effect")) != (plan.hook, plan.effect):
            return f"what would be done is not what {self.signer} signed"
        return None


def document(
    findings: Sequence[Finding], digests: Mapping[str, str], settings: TwoPerson, now: float
) -> dict[str, Any]:
    """The signed plan of those of `findings` that are planned and have a hook. DeadkeyError when it cannot be signed."""
    own = _private(settings)
    salt = secrets.token_bytes(32)
    plan: dict[str, Any] = {
        "version": 1,
        "tool": agent(),
        "created": _stamp(now),
        "expires": _stamp(now + settings.valid),
        "signer": {"key": _public(own), "actor": actor()},
        "salt": salt.hex(),
        "findings": [
            _entry(finding, finding.outcome, salt, digests[finding.rule])
            for finding in findings
            if finding.outcome and finding.outcome.state == "planned" and finding.outcome.hook
        ],
    }
    return {**plan, "signature": base64.b64encode(own.sign(_signed(plan))).decode()}


def _entry(finding: Finding, outcome: Outcome, salt: bytes, digest: str) -> dict[str, Any]:
    hidden = secrets_of(finding)
    places = dict.fromkeys(scrub(place.path or f"({place.source})", hidden) for place in finding.locations)
    return {
        "fingerprint": finding.secret.fingerprint(salt),
        "rule": finding.rule,
        "rule_digest": digest,
        "provider": finding.provider,
        "name": finding.name,
        "severity": finding.severity,
        "identity": dict(finding.verdict.identity) if finding.verdict else {},
        "places": list(places)[:20],
        "hook": outcome.hook,
        "effect": outcome.effect,
    }


def read(path: Path, settings: TwoPerson, now: float) -> Approved:
    """The plan at `path`, if it may be carried out here and now. DeadkeyError says why it may not."""
    plan = _parsed(path)
    own = _public(_private(settings))
    try:
        signer, key = plan["signer"], str(plan["signer"]["key"])
        created, expires = (datetime.fromisoformat(plan[name]).timestamp() for name in ("created", "expires"))
        salt = bytes.fromhex(plan["salt"])
        entries = {str(entry["fingerprint"]): entry for entry in plan["findings"]}
        signature = base64.b64decode(plan["signature"], validate=True)
        if not 16 <= len(salt) <= 64:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise DeadkeyError(f"{path}: not a plan of `deadkey revoke plan`") from None
    names = [name for name, public in settings.signers.items() if _normal(public) == key]
    if not names:
        raise DeadkeyError(f"{path}: signed by a key that revoke.two_person.signers does not list")
    if not _genuine(key, signature, _signed({name: value for name, value in plan.items() if name != "signature"})):
        raise DeadkeyError(f"{path}: was changed after {names[0]} signed it")
    if key == own or signer.get("actor") == actor():
        raise DeadkeyError(f"{path}: {names[0]} signed it, so somebody else has to carry it out")
    if expires <= now:
        raise DeadkeyError(f"{path}: expired at {plan['expires']}; ask {names[0]} for a new one")
    if created > now + AHEAD:
        raise DeadkeyError(f"{path}: was made at {plan['created']}, which is still to come; look at the clocks")
    short = hashlib.blake2b(signature, digest_size=6).hexdigest()
    return Approved(names[0], salt, entries, f"plan {short} signed by {names[0]}")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        plan = json.loads(data) if len(data) <= LARGEST else None
    except OSError as e:
        raise DeadkeyError(f"{path}: {e.strerror}") from None
    except (ValueError, RecursionError):
        plan = None
    if not isinstance(plan, dict) or plan.get("version") != 1:
        raise DeadkeyError(f"{path}: not a plan of `deadkey revoke plan`")
    return plan


def _signed(plan: Mapping[str, Any]) -> bytes:
    return CONTEXT + canonical(plan)


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _private(settings: TwoPerson) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    if settings.key is None:
        raise DeadkeyError(f"{KEY} is not configured: your own Ed25519 key says who you are")
    data = settings.key().encode() + b"\n"
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, None)
    except TypeError:
        raise DeadkeyError(f"{KEY}: the key has a passphrase; name one without, or a command that gives it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise DeadkeyError(f"{KEY}: not a private key in OpenSSH's or in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise DeadkeyError(f"{KEY}: not an Ed25519 key (ssh-keygen -t ed25519 makes one)")
    return key


def _public(key: Ed25519PrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _normal(public: str) -> str:
    """A public key as its `.pub` file has it, without the comment."""
    return " ".join(public.split()[:2])


def _genuine(public: str, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(public.encode())
    except (ValueError, UnsupportedAlgorithm):
        return False
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True
