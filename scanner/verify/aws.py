"""Checker for AWS access keys: STS GetCallerIdentity, signed with Signature Version 4.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: no permission is needed for it, and it
changes nothing. The signature: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from scanner.model import Finding, Verdict
from scanner.verify.clean import identity, scrub
from scanner.verify.interface import Answer, Asker, Call, Clock, Unanswered, Unaskable
from scanner.verify.settings import VerifySettings, place_of

PARTITIONS = (
    ("https://sts.amazonaws.com", "us-east-1"),
    ("https://sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
    ("https://sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
)
"""STS of each partition with the region that signs for it. Accounts, and so keys, belong to one of them:
https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html"""
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"

KEY_ID = re.compile(r"A[KS]IA[0-9A-Z]{12,28}")
KEY = re.compile(r"[0-9A-Za-z/+]{40}")

UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException")
"""The key id is of another partition, or was deleted or made inactive."""
EXPIRED = ("ExpiredToken", "ExpiredTokenException")
LIVE = ("AccessDenied", "AccessDeniedException")


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)


def signature(
    key: str, method: str, path: str, headers: Mapping[str, str], body: bytes, stamp: str, scope: tuple[str, str]
) -> tuple[str, str]:
    """Signed header names and signature of a request without a query.

    `headers` are all signed; `stamp` is like 20150830T123600Z and `scope` is (region, service).
    """
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = "\n".join((method, path, "", lines, names, hashlib.sha256(body).hexdigest()))
    day = stamp[:8]
    where = "/".join((day, *scope, "aws4_request"))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, where, hashlib.sha256(canonical.encode()).hexdigest()))
    derived = _mac(b"AWS4" + key.encode(), day)
    for part in (*scope, "aws4_request"):
        derived = _mac(derived, part)
    return names, hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


def signed_call(endpoint: str, region: str, key_id: str, key: str, session: str | None, now: float) -> Call:
    """GetCallerIdentity for a key, signed for `region` at `now` (seconds since 1970)."""
    host, port = place_of(endpoint)
    parts = urlsplit(endpoint)
    path = parts.path or "/"
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": parts.netloc,
        "X-Amz-Date": stamp,
    }
    if session:
        headers["X-Amz-Security-Token"] = session
    names, mac = signature(key, "POST", path, headers, BODY, stamp, (region, "sts"))
    scope = f"{stamp[:8]}/{region}/sts/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={mac}"
    return Call("POST", f"{parts.scheme}://{parts.netloc}{path}", host, port, headers | {"Accept": "*/*"}, body=BODY)


def check(finding: Finding, settings: VerifySettings, ask: Asker, clock: Clock) -> Verdict:
    """Ask STS whose key it is. The id, the key and a session token are told apart by their shape or name."""
    try:
        near = {name: secret.reveal().decode("ascii") for name, secret in finding.companions}
        values = [finding.secret.reveal().decode("ascii"), *near.values()]
    except UnicodeDecodeError:
        raise Unaskable("not an AWS key") from None
    key_id = next((value for value in values if KEY_ID.fullmatch(value)), None)
    key = next((value for value in values if KEY.fullmatch(value)), None)
    session = next((value for name, value in near.items() if "session" in name or len(value) > 100), None)
    if key_id is None:
        raise Unaskable("needs the access key id that belongs to it, and none stands near by")
    if key is None:
        raise Unaskable("needs the secret access key that belongs to it, and none stands near by")
    if key_id.startswith("ASIA") and session is None:
        raise Unaskable("needs the session token that belongs to a temporary key, and none stands near by")
    own = settings.endpoints.get("aws") or settings.endpoint(finding.rule, finding.provider)
    places = ((own, PARTITIONS[0][1]),) if own else PARTITIONS
    for endpoint, region in places:
        answer = ask(signed_call(endpoint, region, key_id, key, session, clock.time()))
        if _code(answer) not in UNKNOWN:
            return judge(answer, finding)
    where = answer.host if own else "no partition of AWS"
    return Verdict("dead", f"{where} {'does not know' if own else 'knows'} this key id ({_code(answer)})")


def judge(answer: Answer, finding: Finding) -> Verdict:
    """What the answer of one partition, which knows the key id, says of the key; Unanswered when it says nothing."""
    if answer.status == 200 and (arn := _element(answer.text, "Arn")):
        said = {"account": _element(answer.text, "Account"), "arn": arn, "user": arn.rpartition("/")[2]}
        return Verdict("live", f"{answer.host} answered 200", identity(said, finding.secret))
    code = _code(answer)
    message = (_element(answer.text, "Message") or "").lower()
    if code == "SignatureDoesNotMatch":
        # The same code also says that this machine's clock is wrong; and the secret may well belong to another key id.
        if "expired" in message or "not yet current" in message:
            raise Unanswered(f"{answer.host} says that this machine's clock is wrong")
        raise Unanswered(f"{answer.host} says that this secret does not belong to this key id")
    if code in LIVE:
        return Verdict("live", f"{answer.host} knows the key but lets it do nothing ({code})")
    if code in EXPIRED:
        return Verdict("dead", f"{answer.host} says that the session has expired ({code})")
    named = f" {scrub(code, (), 60)}" if code else ""
    raise Unanswered(f"{answer.host} answered {answer.status}{named}, which says nothing of the key")


def _code(answer: Answer) -> str:
    return _element(answer.text, "Code") or ""


def _element(text: str, name: str) -> str | None:
    found = re.search(rf"<{name}>([^<]{{1,2048}})</{name}>", text)
    return found[1].strip() if found else None
