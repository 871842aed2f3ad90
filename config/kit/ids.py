"""Names that leave the house: random, never a row number."""

import uuid

from django.db import models


class PublicIdModel(models.Model):
    """A row with a public name; addresses, keys and messages carry it, never the primary key."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True
