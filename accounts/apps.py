from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin


class StaffAdminConfig(admin.AdminConfig):
    """Django's admin behind a second step; its look is unfold's."""

    default = False  # of this module: "accounts" alone means the room
    default_site = "accounts.staff_door.StaffSite"


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from allauth.account.signals import email_confirmed, user_signed_up

        from accounts import (
            audit,
            closing,
            exporting,
            mails,
            notices,
            notifications,
            outbox,
            own_data,
            providers,
            security_trail,
        )
        from accounts.deeds import WORDS
        from accounts.models import Outbox
        from accounts.signals import email_verified

        audit.register(WORDS, owned={"token": lambda user: user.tokens.values("public_id")})
        email_confirmed.connect(_proven_by_mail, dispatch_uid="accounts.proven_by_mail")
        user_signed_up.connect(_proven_by_provider, dispatch_uid="accounts.proven_by_provider")
        security_trail.connect()
        if settings.GOOGLE_URL:
            providers.speak_to_google_at(settings.GOOGLE_URL)
        if settings.DISCORD_URL:
            providers.speak_to_discord_at(settings.DISCORD_URL)
        exporting.register("account", own_data.write, say=own_data.SAY)
        closing.register("account", erase=own_data.erase)
        notifications.register(*notices.KINDS)
        outbox.register(Outbox.Kind.MAIL, mails.deliver)
        email_verified.connect(notices.welcome, dispatch_uid="accounts.welcome")
        settings.CELERY_BEAT_SCHEDULE["accounts.deliver"] = {"task": "accounts.tasks.deliver", "schedule": 60.0}
        settings.CELERY_BEAT_SCHEDULE["accounts.own_data"] = {"task": "accounts.tasks.own_data", "schedule": 60.0}
        settings.CELERY_BEAT_SCHEDULE["accounts.tidy"] = {"task": "accounts.tasks.tidy", "schedule": 3600.0}


def _proven_by_mail(email_address: Any, **kwargs: Any) -> None:
    from accounts.signals import email_verified

    email_verified.send(sender=type(email_address.user), user=email_address.user)


def _proven_by_provider(user: Any, **kwargs: Any) -> None:
    """Google and Discord vouch for an address at sign-up; allauth then sends no confirmation of its own."""
    from allauth.account.models import EmailAddress

    from accounts.signals import email_verified

    if EmailAddress.objects.filter(user=user, verified=True).exists():
        email_verified.send(sender=type(user), user=user)
