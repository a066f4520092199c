"""Hook: a database server's own way to lock a user, in the name of the owner whom the configuration names for it."""

from __future__ import annotations

from scanner.model import DeadkeyError, Finding
from scanner.revoke.hooks.interface import HookResult, State, Tools
from scanner.revoke.locks import LOCKS, Kept
from scanner.revoke.settings import DatabaseOwner
from scanner.verify.clean import scrub, secrets_of
from scanner.verify.databases.check import secret_of, session
from scanner.verify.databases.interface import Denied, Entered, Target, load
from scanner.verify.databases.target import target_of, targets
from scanner.verify.interface import Action, Unanswered, Unaskable


def effect(finding: Finding, action: Action, tools: Tools) -> str | None:
    pairs = _owned(finding, action, tools)
    if not pairs:
        return None
    told = [LOCKS[target.kind].effect.format(user=target.user or "default", place=target.place) for target, _ in pairs]
    return scrub(" ".join(told), secrets_of(finding), 600)


def run(finding: Finding, action: Action, tools: Tools) -> HookResult:
    pairs = _owned(finding, action, tools)
    if not pairs:
        return HookResult("not-applicable", "revoke.databases names no owner of its server")
    results = [_lock(finding, target, owner, tools) for target, owner in pairs]
    order: tuple[State, ...] = ("failed", "later", "done", "already-dead")
    return HookResult(
        min((r.state for r in results), key=order.index), "; ".join(r.detail for r in results if r.detail)
    )


def _owned(finding: Finding, action: Action, tools: Tools) -> list[tuple[Target, DatabaseOwner]]:
    """Each server the password may open, with its owner; those without one are left out."""
    if not tools.revoke.databases or (action.get("verify") or {}).get("checker") != "database":
        return []
    owners = {(owner.kind, owner.place): given for given in tools.revoke.databases for owner in (target_of(given.url),)}
    found = [target for target in targets(finding, tools.verify) if isinstance(target, Target)]
    return [(t, owners[t.kind, t.place]) for t in found if (t.kind, t.place) in owners]


def _lock(finding: Finding, target: Target, given: DatabaseOwner, tools: Tools) -> HookResult:
    kind = load(target.kind)
    try:
        # What is locked is who the password makes one, whatever the text around it says.
        with session(target, secret_of(finding, target), tools.verify) as leaked:
            account = kind.account(leaked, target)
    except Denied:
        return HookResult("already-dead", f"{target.place} does not take it")
    except Entered:
        account = target.user
    except (Unanswered, Unaskable) as e:
        return HookResult("failed", str(e))
    owner = target_of(given.url)
    try:
        with session(owner, given.password().encode(), tools.verify) as opened:
            if kind.account(opened, owner) == account:
                return HookResult("failed", f"{target.place}: it is the owner's own, which would lock the owner out")
            return HookResult("done", f"{target.place}: {LOCKS[target.kind].lock(opened, account)}")
    except DeadkeyError as e:
        return HookResult("failed", str(e))
    except Denied:
        return HookResult("failed", f"{target.place} refused the owner {owner.user}")
    except Entered as e:
        return HookResult("failed", f"the owner cannot act: {e}")
    except Unanswered as e:
        return HookResult("failed", f"the owner could not log in: {e}")
    except Unaskable as e:
        return HookResult("failed", f"the owner could not log in: {e}")
    except Kept as e:
        return HookResult("failed", f"{target.place}: {e}")
    except Exception as e:
        # A driver's error may quote a statement; its kind and number do not.
        number = getattr(kind, "code", lambda _: "")(e)
        return HookResult("failed", f"{target.place} refused to lock it ({type(e).__name__} {number}".rstrip() + ")")
