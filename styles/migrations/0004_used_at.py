import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Coalesce, Greatest


def remember(apps: Apps, _schema: BaseDatabaseSchemaEditor) -> None:
    """What is known of the styles that are there: when they were made, and when they last began to learn."""
    style, adapter = apps.get_model("styles", "Style"), apps.get_model("styles", "Adapter")
    newest = adapter.objects.filter(style=models.OuterRef("pk")).order_by("-created_at").values("created_at")[:1]
    learned = Coalesce(models.Subquery(newest), models.F("created_at"))
    style._base_manager.update(used_at=Greatest(models.F("created_at"), learned))


class Migration(migrations.Migration):
    dependencies = [("styles", "0003_imported_triggers")]

    operations = [
        migrations.AddField(
            model_name="style", name="used_at", field=models.DateTimeField(default=django.utils.timezone.now)
        ),
        migrations.RunPython(remember, migrations.RunPython.noop),
    ]
