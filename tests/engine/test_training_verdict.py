"""At the end of a training its checkpoints are compared, and the artist is told which to take."""

from __future__ import annotations

from pathlib import Path

from gpu.engine.models import load
from tests.engine.makers import train, training_spec


def test_a_training_ends_with_a_verdict_and_the_features_of_its_works(
    tiny_base: Path, tmp_path: Path, paintings: list[Path]
) -> None:
    base = load(str(tiny_base), "cpu")
    heard = train(training_spec(base.facts.name, tmp_path, paintings), base)
    (verdict,) = heard.of("verdict")
    assert {judged.step for judged in verdict.judged} == {3, 6}
    assert set(verdict.finalists) == {3, 6}
    assert verdict.say
    (works,) = heard.of("works")
    assert Path(works.path).is_file()
    assert not heard.of("adapted")
