import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0003_money'),
    ]

    operations = [
        migrations.AddField(
            model_name='creditgrant',
            name='monthly',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='creditgrant',
            name='revoked',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='credithold',
            name='tool',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='credittransaction',
            name='grant',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.creditgrant'),
        ),
        migrations.AddField(
            model_name='credittransaction',
            name='parts',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AlterField(
            model_name='credittransaction',
            name='kind',
            field=models.CharField(choices=[('grant', 'Grant'), ('hold', 'Hold'), ('capture', 'Capture'), ('release', 'Release'), ('refund', 'Refund'), ('expire', 'Expire'), ('adjust', 'Adjust'), ('revoke', 'Revoke'), ('reinstate', 'Reinstate')], max_length=10),
        ),
        migrations.AddConstraint(
            model_name='creditaccount',
            constraint=models.CheckConstraint(condition=models.Q(('debt', 0), ('available', 0), _connector='OR'), name='credit_debt_comes_first'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('revoked__lte', models.F('amount'))), name='grant_revoked_within_amount'),
        ),
    ]
