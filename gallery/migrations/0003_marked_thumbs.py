from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gallery", "0002_films")]

    operations = [
        migrations.AddField(
            model_name="artwork", name="marked_thumb_key", field=models.CharField(blank=True, max_length=200)
        ),
    ]
