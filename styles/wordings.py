"""What people declare, word for word. A new wording is a new version; the old ones stay, for rows name them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

DECLARATION_VERSION = "2026-11"
IMPORT_DECLARATION_VERSION = "2026-11-import"  # about a LoRA rather than about works
DECLARATIONS: Mapping[str, Mapping[str, Promise]] = {
    "2026-11": {
        "made": _("I made these works, and I will add only works that I made."),
        "may_use": _(
            "I may use these works to teach a model: their makers agreed, they are under a licence that allows it, or "
            "they are in the public domain. I will add only works of which the same is true."
        ),
    },
    "2026-11-import": {
        "made": _("I trained this LoRA, on works that I made. I will add only works that I made."),
        "may_use": _(
            "I may use this LoRA here: its licence allows it, and as far as I know the makers of the works it was "
            "trained on agreed, or those are in the public domain. I will add only works of which the same is true."
        ),
    },
}

CONSENT_VERSION = "2026-11"
CONSENTS: Mapping[str, Promise] = {
    "2026-11": _(
        "The person named here is an adult, has seen these pictures, and agreed in writing that a model of their "
        "likeness is made from them for my own use until the date below. They may take this back at any time; the "
        "model is then not used any more."
    )
}
