"""Hook: an address of the user's, told in signed JSON.

Headers: `X-Deadkey-Timestamp` (seconds since 1970) and `X-Deadkey-Signature`, which is `sha256=` and the hexadecimal
HMAC-SHA256 of the timestamp, a full stop and the body. A receiver checks both and refuses old timestamps.

Answers: 2xx done, but 202 later; a JSON body may say more: {"state": "done" | "already-dead" | "later" | "failed",
"detail": "…"}. 429 and 503 mean later, everything else failed.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from scanner.model import DeadkeyError, Finding
from scanner.revoke.hooks.interface import HookResult, Tools, as_text, payload
from scanner.verify.interface import Action, Answer, Call, Unanswered
from scanner.verify.settings import place_of


def effect(finding: Finding, action: Action, tools: Tools) -> str | None:
    hook = tools.revoke.webhook
    if hook is None:
        return None
    told = "with the secret itself" if hook.include_secret else "without the secret"
    return f"Tells {place_of(hook.url)[0]}, {told}; what it does is up to it."


def sign(key: bytes, timestamp: str, body: bytes) -> str:
    """The value of X-Deadkey-Signature."""
    return "sha256=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def run(finding: Finding, action: Action, tools: Tools) -> HookResult:
    hook = tools.revoke.webhook
    if hook is None:
        return HookResult("not-applicable", "no webhook is configured")
    body = json.dumps(payload(finding, as_text if hook.include_secret else None), sort_keys=True).encode()
    timestamp = str(int(tools.clock.time()))
    try:
        signature = sign(hook.key().encode(), timestamp, body)
    except DeadkeyError as e:
        return HookResult("failed", str(e))
    headers = {
        "Content-Type": "application/json",
        "X-Deadkey-Timestamp": timestamp,
        "X-Deadkey-Signature": signature,
    }
    host, port = place_of(hook.url)
    try:
        answer = tools.ask(Call("POST", hook.url, host, port, headers, body=body), again=False)
    except Unanswered as e:
        return HookResult("later" if e.busy else "failed", str(e))
    return _read(answer)


def _read(answer: Answer) -> HookResult:
    said = f"{answer.host} answered {answer.status}"
    if not 200 <= answer.status < 300:
        return HookResult("failed", said)
    told = answer.body if isinstance(answer.body, dict) else {}
    state = told.get("state", "later" if answer.status == 202 else "done")
    if state not in ("done", "already-dead", "later", "failed"):
        return HookResult("failed", f"{said} with a state that is not known")
    return HookResult(state, str(told.get("detail") or said))
