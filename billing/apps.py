from django.apps import AppConfig
from django.conf import settings

HOUR = 3600.0


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from celery.schedules import crontab

        from accounts import audit, closing, exporting, notifications, usage
        from accounts.signals import banned, email_verified
        from billing import own_data
        from billing.audit import DRIFT
        from billing.deeds import WORDS
        from billing.notices import KINDS
        from billing.payments.ending import end_when_banned
        from billing.queries import spent
        from billing.welcome import give_free_credits

        audit.register(WORDS)
        notifications.register(*KINDS, DRIFT)
        email_verified.connect(give_free_credits, dispatch_uid="billing.free_credits")
        banned.connect(end_when_banned, dispatch_uid="billing.end_when_banned")
        usage.register("credits_spent", spent)
        exporting.register("credits", own_data.write, say=own_data.SAY)
        closing.register("credits", goes=own_data.goes, stop=own_data.stop, erase=own_data.erase)
        payments = {"sweep": 60.0, "reconcile": crontab(hour=3, minute=40)}
        for chore, schedule in payments.items():
            task = f"billing.payments.tasks.{chore}"
            settings.CELERY_BEAT_SCHEDULE[f"billing.payments.{chore}"] = {"task": task, "schedule": schedule}
        for chore in ("expire", "time_out_holds", "audit", "forget_news"):
            settings.CELERY_BEAT_SCHEDULE[f"billing.{chore}"] = {"task": f"billing.tasks.{chore}", "schedule": HOUR}
