"""What a picture is called while the base learns, and hence how it likes to be prompted."""

from random import Random

STYLE_SHARE = 0.85
"""Captions that name their look; the rest teach the subject alone."""
EMPTY_SHARE = 0.05
"""Empty captions, for classifier-free guidance with an empty negative prompt."""
OPENINGS = ("a picture of ", "a drawing of ", "an illustration of ")


NOT_A_PLURAL = (
    *("bus", "octopus", "cactus", "hibiscus", "rhinoceros", "hippopotamus", "tyrannosaurus"),
    *("glass", "hourglass", "compass", "dress", "princess"),
)
UNCOUNTED = (
    *("wheat", "corn", "broccoli", "bread", "cheese", "meat", "bacon", "popcorn", "spaghetti", "sushi", "salad"),
    *("fire", "claus"),
)


def with_article(name: str) -> str:
    """`apple` → `an apple`; a plural or an uncounted thing stays as it is."""
    noun = name.split(" of ")[0].split(" on ")[0].split(" with ")[0].split()[-1]
    if noun in UNCOUNTED or (noun.endswith("s") and noun not in NOT_A_PLURAL):
        return name
    vowel = name[0] in "aeiou" and not name.startswith("uni")
    return f"{'an' if vowel else 'a'} {name}"


def caption(rng: Random, *, name: str, style: str, background: str) -> str:
    """One of the ways to say what is seen: subject, background if it is not white, look."""
    if rng.random() < EMPTY_SHARE:
        return ""
    draw = rng.random()
    text = name if draw < 0.35 else with_article(name)
    if draw > 0.85:
        text = rng.choice(OPENINGS) + text
    if background != "white" or rng.random() < 0.15:
        text += f" on a {background} background"
    if rng.random() < STYLE_SHARE:
        text += f", {style} style"
    return text
