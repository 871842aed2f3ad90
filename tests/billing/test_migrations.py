"""Our migrations say what the models are, dj-stripe's among them, whose tables are made by a migration of ours."""

from __future__ import annotations

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_no_model_differs_from_its_migrations() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)  # exits with 1 if one does
