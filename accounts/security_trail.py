"""Every change to how somebody signs in leaves a line in the trail, whichever page of allauth made it."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from accounts import audit
from accounts.models import User


def connect() -> None:
    """Listen to what allauth tells."""
    from allauth.account import signals as account
    from allauth.mfa import signals as mfa
    from allauth.socialaccount import signals as social

    mfa.authenticator_added.connect(_count_as_used, dispatch_uid="accounts.count_as_used")
    _note(account.email_changed, "email.change")
    _note(account.password_changed, "password.change")
    _note(account.password_set, "password.change")
    _note(account.password_reset, "password.change")
    _note(mfa.authenticator_added, "second_step.add")
    _note(mfa.authenticator_removed, "second_step.remove")
    _note(mfa.authenticator_reset, "second_step.new_codes")
    _note(social.social_account_added, "provider.connect")
    _note(social.social_account_removed, "provider.disconnect")


def _count_as_used(request: Any, user: User, authenticator: Any, **kwargs: Any) -> None:
    """Setting up a second step proves it: nobody is asked for it again a moment later."""
    from allauth.account.internal.flows.login import record_authentication

    if authenticator.type != "recovery_codes":
        record_authentication(
            request, user, method="mfa", id=authenticator.pk, type=authenticator.type, reauthenticated=True
        )


def _note(signal: Signal, verb: str) -> None:
    def receive(request: Any, user: User | None = None, **kwargs: Any) -> None:
        person = user or request.user
        audit.record(actor=person, verb=verb, target_kind="user", target=person.public_id, detail=_detail(kwargs))

    signal.connect(receive, weak=False, dispatch_uid=f"accounts.security_trail.{verb}")


def _detail(said: dict[str, Any]) -> dict[str, str]:
    """Which kind of step, which provider: enough to know it again, and no address, number or secret."""
    if authenticator := said.get("authenticator"):
        return {"step": authenticator.type}
    if account := said.get("socialaccount") or getattr(said.get("sociallogin"), "account", None):
        return {"provider": account.provider}
    return {}
