"""dj-stripe as this house uses it: its tables mirror what Stripe says, and nothing else of it runs."""

from __future__ import annotations

from djstripe.apps import DjstripeAppConfig


class StripeMirror(DjstripeAppConfig):  # type: ignore[misc]
    """Without its receivers, which serve a webhook that is not mounted, and its checks, which read the database."""

    verbose_name = "Stripe, as mirrored"

    def ready(self) -> None:
        from djstripe import _stripe_compat  # noqa: F401  (lets its models read the objects of stripe 15)
