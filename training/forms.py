"""The training form: purpose, quality, and a drawer for those who know."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from gpu.engine.catalogue import describe
from training import presets
from training.models import Run


class TrainForm(forms.Form):
    purpose = forms.ChoiceField(label=_("What it learns"), choices=Run.Purpose.choices, initial="style")
    quality = forms.ChoiceField(label=_("How long"), choices=Run.Quality.choices, initial="quick")
    steps = forms.IntegerField(
        label=_("Steps"), required=False, min_value=presets.MIN_STEPS, max_value=presets.MAX_STEPS
    )
    rank = forms.IntegerField(label=_("Rank"), required=False, min_value=presets.RANKS[0], max_value=presets.RANKS[1])
    learning_rate = forms.FloatField(
        label=_("Learning rate"),
        required=False,
        min_value=presets.LEARNING_RATES[0],
        max_value=presets.LEARNING_RATES[1],
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    batch = forms.IntegerField(label=_("Batch"), required=False, min_value=1)
    resolution = forms.ChoiceField(label=_("Resolution"), required=False)
    optimizer = forms.ChoiceField(
        label=_("Optimizer"), required=False, choices=[(name, name) for name in presets.OPTIMIZERS]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = describe(settings.BASE_MODEL).training.resolutions
        field = self.fields["resolution"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("as the base wants it")), *((str(size), f"{size} px") for size in offered)]

    def advanced(self) -> dict[str, Any]:
        """What was changed by hand; the rest follows the recipe."""
        names = ("steps", "rank", "learning_rate", "batch", "resolution", "optimizer")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name) not in (None, "")}
