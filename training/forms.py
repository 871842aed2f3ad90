"""The training form: purpose, quality, and a drawer for those who know."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from gpu.engine.catalogue import describe
from training import bounds, presets
from training.models import Run

ADVANCED = ("method", "steps", "rank", "learning_rate", "batch", "resolution", "optimizer")


class TrainForm(forms.Form):
    purpose = forms.ChoiceField(label=_("What it learns"), choices=Run.Purpose.choices, initial="style")
    quality = forms.ChoiceField(label=_("How long"), choices=Run.Quality.choices, initial="quick")
    method = forms.ChoiceField(
        label=_("Method"),
        required=False,
        help_text=_(
            "LoRA suits nearly everything. DreamBooth, for a person or a character, also learns pictures of others,"
            " so that they do not all turn into yours; it takes twice as long. Textual inversion teaches only the"
            " word: a tiny file that changes less."
        ),
    )
    steps = forms.IntegerField(
        label=_("Steps"),
        required=False,
        min_value=bounds.MIN_STEPS,
        max_value=bounds.MAX_STEPS,
        help_text=_("How often it learns. More brings it nearer to your works, and in the end copies them."),
    )
    rank = forms.IntegerField(
        label=_("Rank"),
        required=False,
        min_value=bounds.RANKS[0],
        max_value=bounds.RANKS[1],
        help_text=_("How much a LoRA can hold. More keeps finer detail, and makes a larger file."),
    )
    learning_rate = forms.FloatField(
        label=_("Learning rate"),
        required=False,
        min_value=bounds.LOWEST_RATE,
        max_value=bounds.HIGHEST_RATE,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
        help_text=_("How far each step goes. Too far makes pictures harsh; too little, and nothing is learned."),
    )
    batch = forms.IntegerField(
        label=_("Batch"),
        required=False,
        min_value=bounds.BATCHES[0],
        help_text=_("How many works a step looks at. More learns more evenly, and takes as much longer."),
    )
    resolution = forms.ChoiceField(
        label=_("Resolution"),
        required=False,
        help_text=_("The size at which your works are seen. Smaller is faster and loses fine strokes."),
    )
    optimizer = forms.ChoiceField(
        label=_("Optimizer"),
        required=False,
        help_text=_(
            "The arithmetic behind a step. AdamW is the steady one, in 8 bits with less memory; Prodigy finds its"
            " learning rate by itself; Adafactor takes the least memory."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        facts = describe(settings.BASE_MODEL)
        recipe = facts.training
        usual = {"steps": _now("by your works"), "rank": str(recipe.rank), "batch": str(recipe.batch)}
        usual["learning_rate"] = bounds.plain(recipe.learning_rate)
        for name, value in usual.items():
            self.fields[name].widget.attrs["placeholder"] = value
        self.fields["batch"].widget.attrs["max"] = bounds.batches(recipe)[1]
        self._offer("method", {name: str(title) for name, title in bounds.METHODS.items()}, bounds.LORA)
        sizes = {str(size): f"{size} px" for size in recipe.resolutions}
        self._offer("resolution", sizes, str(recipe.resolution))
        optimizers = {name: str(title) for name, title in bounds.OPTIMIZERS.items()}
        self._offer("optimizer", optimizers, presets.usual_optimizer(facts))

    def _offer(self, name: str, choices: dict[str, str], usual: str) -> None:
        """Nothing chosen means the base's own, which is named."""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        own = _now("as the base wants it: %(usual)s") % {"usual": choices[usual]}
        field.choices = [("", own), *choices.items()]

    def advanced(self) -> dict[str, Any]:
        """What was changed by hand; the rest follows the recipe."""
        return {name: self.cleaned_data[name] for name in ADVANCED if self.cleaned_data.get(name) not in (None, "")}
