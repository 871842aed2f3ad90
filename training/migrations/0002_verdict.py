from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0001_initial")]

    operations = [
        migrations.RenameField("checkpoint", "finalist", "picked"),
        migrations.AddField("run", "verdict", models.TextField(blank=True, default=""), preserve_default=False),
        migrations.AddField("checkpoint", "finalist", models.PositiveSmallIntegerField(blank=True, null=True)),
        migrations.AddField("checkpoint", "following", models.FloatField(blank=True, null=True)),
        migrations.AddField("checkpoint", "leak", models.FloatField(blank=True, null=True)),
        migrations.AddField("checkpoint", "likeness", models.FloatField(blank=True, null=True)),
        migrations.AddField("checkpoint", "say", models.TextField(blank=True, default=""), preserve_default=False),
        migrations.AddField("metric", "held_out", models.FloatField(blank=True, null=True)),
    ]
