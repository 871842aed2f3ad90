from django.apps import AppConfig
from django.conf import settings


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from accounts import notifications, usage
        from accounts.signals import email_verified
        from billing.notices import KINDS
        from billing.queries import spent
        from billing.welcome import give_free_credits

        notifications.register(*KINDS)
        email_verified.connect(give_free_credits, dispatch_uid="billing.free_credits")
        usage.register("credits_spent", spent)
        settings.CELERY_BEAT_SCHEDULE["billing.expire"] = {"task": "billing.tasks.expire", "schedule": 3600.0}
