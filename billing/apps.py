from django.apps import AppConfig
from django.conf import settings

HOUR = 3600.0


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from accounts import notifications, usage
        from accounts.signals import email_verified
        from billing.audit import DRIFT
        from billing.notices import KINDS
        from billing.queries import spent
        from billing.welcome import give_free_credits

        notifications.register(*KINDS, DRIFT)
        email_verified.connect(give_free_credits, dispatch_uid="billing.free_credits")
        usage.register("credits_spent", spent)
        for chore in ("expire", "time_out_holds", "audit"):
            settings.CELERY_BEAT_SCHEDULE[f"billing.{chore}"] = {"task": f"billing.tasks.{chore}", "schedule": HOUR}
