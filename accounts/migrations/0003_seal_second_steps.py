"""Secrets of the second step that were kept in clear are sealed. What is sealed already stays as it is."""

from django.db import migrations

from config.kit import sealing


def seal_all(apps, schema_editor):
    for step in apps.get_model("mfa", "Authenticator").objects.filter(type__in=["totp", "recovery_codes"]):
        for name in ("secret", "seed"):
            if name in step.data and not sealing.is_sealed(step.data[name]):
                step.data[name] = sealing.seal(step.data[name])
                step.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_money"), ("mfa", "0003_authenticator_type_uniq")]
    operations = [migrations.RunPython(seal_all, migrations.RunPython.noop)]
