"""Holds made before they knew their tool learn it from their jobs."""

from django.db import migrations

LEARN = """
update billing_credithold hold set tool = job.kind from gpu_job job where job.hold_id = hold.id and hold.tool = ''
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0004_ledger'),
        ('gpu', '0002_memory'),
    ]

    operations = [migrations.RunSQL(LEARN, migrations.RunSQL.noop)]
