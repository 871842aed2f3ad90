"""Prompts: weights, learned words, and any length, as embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gpu.engine.models import Base, load
from gpu.engine.models import base as base_module
from gpu.engine.prompts import MAX_WEIGHT, Prompt, fragments, level
from tests.engine.conftest import TOKENS

ROOM = TOKENS - 2  # of a chunk, without the marks of beginning and end


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


def _plain(base: Base, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The embedding as transformers alone would make it."""
    parts, pooled = [], torch.empty(0)
    for tokenizer, encoder in zip(base.tokenizers, base.text_encoders, strict=True):
        ids = tokenizer(text, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt").input_ids
        output = encoder(ids, output_hidden_states=True)
        parts.append(output.hidden_states[-2])
        pooled = getattr(output, "text_embeds", pooled)
    return torch.cat(parts, dim=-1), pooled


@pytest.mark.parametrize("text", ["", "a red fox", "Fox, hen", "  two   gaps", ", ,", "a fox's den", "日"])
def test_a_short_prompt_without_weights_is_embedded_as_ever_to_the_last_bit(base: Base, text: str) -> None:
    tokens, pooled = _plain(base, text)
    prompt = base.prompt(text)
    assert torch.equal(prompt.tokens, tokens)
    assert torch.equal(prompt.pooled, pooled)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a (red) fox", [("a ", 1), ("red", 1.1), (" fox", 1)]),
        ("((a))", [("a", 1.21)]),
        ("[a]", [("a", 0.909)]),
        ("(a:1.3) b", [("a", 1.3), (" b", 1)]),
        ("(a [b] c:1.5)", [("a ", 1.5), ("b", 1.364), (" c", 1.5)]),
        ("((a:1.2) b:1.5)", [("a", 1.8), (" b", 1.5)]),
        ("(a: 0.5 )", [("a", 0.5)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("[a:1.2]", [("a:1.2", 0.909)]),
        ("(a:99)", [("a", MAX_WEIGHT)]),
        (r"\(a\) b", [("(a) b", 1)]),
        (r"a\b", [(r"a\b", 1)]),
        ("a\\", [("a\\", 1)]),
        ("", []),
    ],
)
def test_brackets_give_weights(text: str, parts: list[tuple[str, float]]) -> None:
    assert [(part.text, round(part.weight, 3)) for part in fragments(text)] == parts


@pytest.mark.parametrize("text", ["(a", "a)", "(a [b)", "[a", "a]", "((", ":)", "a (b [c", "(:"])
def test_a_bracket_without_its_partner_is_only_a_letter(text: str) -> None:
    assert [(part.text, part.weight) for part in fragments(text)] == [(text, 1.0)]


def test_a_broken_bracket_leaves_the_whole_ones_their_weight() -> None:
    assert [(part.text, part.weight) for part in fragments("(a (b) c")] == [("(a ", 1), ("b", 1.1), (" c", 1)]


def test_a_weight_moves_its_own_words_and_keeps_the_mean_magnitude(base: Base) -> None:
    plain, weighed = base.prompt("a red fox").tokens, base.prompt("a (red:1.5) fox").tokens
    first = base.text_encoders[0].config.hidden_size
    for part in (slice(0, first), slice(first, None)):
        assert weighed[..., part].abs().mean() == pytest.approx(float(plain[..., part].abs().mean()), rel=1e-5)
    ratio = (weighed / plain)[0, :, 0]
    red, rest = ratio[2:5], torch.cat([ratio[:2], ratio[5:]])  # the tokenizer of these tests knows single letters
    assert torch.allclose(red / rest[0], torch.full((3,), 1.5), rtol=1e-4)
    assert torch.allclose(rest, rest[0].expand_as(rest), rtol=1e-4)
    assert torch.equal(base.prompt("a (red:1.5) fox").pooled, base.prompt("a red fox").pooled)


def test_a_weight_of_one_changes_nothing(base: Base) -> None:
    assert torch.equal(base.prompt("a (red:1.0) fox").tokens, base.prompt("a red fox").tokens)


def test_a_long_prompt_keeps_every_word(base: Base) -> None:
    long = "abcdefghijk, " * 3
    prompt = base.prompt(long)
    assert prompt.tokens.shape[1] == 3 * TOKENS
    more = base.prompt(long + "and more").tokens
    assert torch.allclose(more[:, : 3 * TOKENS], prompt.tokens, atol=1e-5)
    assert not torch.equal(more[:, 3 * TOKENS :], base.prompt("and les").tokens)
    assert torch.allclose(prompt.pooled, base.prompt("abcdefghijk,").pooled, atol=1e-5)


def test_a_chunk_ends_with_a_phrase_or_else_with_a_word_where_one_ends_late_enough(base: Base) -> None:
    assert torch.equal(  # the comma is the 12th of 14
        base.prompt("abcdefghijk, fghij").tokens,
        torch.cat([base.prompt("abcdefghijk,").tokens, base.prompt("fghij").tokens], dim=1),
    )
    assert torch.equal(
        base.prompt("abcdefghijkl fghij").tokens,
        torch.cat([base.prompt("abcdefghijkl").tokens, base.prompt("fghij").tokens], dim=1),
    )
    early = base.prompt("a, " + "b" * 20)
    assert early.tokens.shape[1] == 2 * TOKENS  # a comma that comes too early costs no room


def test_any_length_and_any_nonsense_is_embedded(base: Base) -> None:
    for text in ["(" * 1000, "x" * 1000, ")(" * 400, "(((a:3):3):3)", "[" * 20 + "a" + "]" * 20, "\\" * 999]:
        assert torch.isfinite(base.prompt(text).tokens).all()


# --- two prompts of one picture ---


def test_prompts_are_brought_to_equal_length_without_changing_what_a_short_one_says(base: Base) -> None:
    short, long = base.prompt("a fox"), base.prompt("abcdefghijk, " * 3)
    levelled = level([short, long])
    assert levelled[1] is long
    assert levelled[0].tokens.shape == long.tokens.shape
    latents, moment = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor(500)
    said = [
        base.unet(
            latents,
            moment,
            prompt.tokens,
            added_cond_kwargs={"text_embeds": prompt.pooled, "time_ids": base.time_ids(64, 64)},
        ).sample
        for prompt in (short, levelled[0])
    ]
    assert torch.allclose(said[0], said[1], atol=1e-5)


def test_zeros_stay_zeros_when_they_are_levelled(base: Base) -> None:
    nothing = Prompt(tokens=torch.zeros(1, TOKENS, 40), pooled=torch.zeros(1, 24))
    assert not level([nothing, base.prompt("abcdefghijk, " * 3)])[0].tokens.any()


# --- learned words ---


def _learn(base: Base, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    widths = [encoder.config.hidden_size for encoder in base.text_encoders]
    first, second = (torch.randn(count, width, generator=generator, requires_grad=True) for width in widths)
    base.words["zorli"] = (first, second)
    return first, second


def test_a_learned_word_stands_where_its_trigger_stands(base: Base) -> None:
    before = base.prompt("a zorli fox").tokens
    _learn(base, 2)
    base.text_state = ("learned",)
    with torch.no_grad():
        after = base.prompt("a Zorli fox").tokens
        assert not torch.equal(after[:, 2:], before[:, 2:])
        assert torch.equal(after[:, :2], before[:, :2])  # causal: what comes before does not see it
        assert torch.equal(base.prompt("a zorlis fox").tokens, base.prompt("a ZORLIS fox").tokens)
        names = base.tokenizers[0].convert_tokens_to_ids(list("abcdefghijklmnopqrstuvwxyz"))
        own = torch.stack([base.text_encoders[0].get_input_embeddings().weight[names[number]] for number in (5, 6)])
        other = torch.stack([base.text_encoders[1].get_input_embeddings().weight[names[number]] for number in (5, 6)])
        base.words["zorli"], base.text_state = (own, other), ("letters",)
        base.words["fg"] = (own, other)
        assert torch.equal(base.prompt("a zorli").tokens, base.prompt("a fg").tokens)


def test_a_learned_word_may_be_weighed_and_may_fill_a_chunk(base: Base) -> None:
    _learn(base, ROOM + 3)
    with torch.no_grad():
        assert base.prompt("(zorli:1.2), a fox").tokens.shape[1] == 2 * TOKENS


def test_gradients_reach_a_word_that_is_being_learned_and_nothing_is_kept(base: Base) -> None:
    first, second = _learn(base, 2)
    prompt = base.prompt("a zorli fox")
    (prompt.tokens.square().sum() + prompt.pooled.square().sum()).backward()
    for vectors in (first, second):
        assert vectors.grad is not None
        assert vectors.grad.abs().sum() > 0
    assert not base._prompts


# --- the memory of embeddings ---


def test_prompts_are_embedded_once(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = base.text_encoders[0].forward

    def counted(*positional: Any, **named: Any) -> Any:
        calls.append(1)
        return real(*positional, **named)

    monkeypatch.setattr(base.text_encoders[0], "forward", counted)
    for _ in range(3):
        base.prompt("a fox")
    assert len(calls) == 1
    base.text_state = ("another style",)
    base.prompt("a fox")
    assert len(calls) == 2


def test_the_memory_of_embeddings_is_bounded(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_module, "PROMPTS_KEPT", 3)
    for letter in "abcdefghi":
        base.prompt(letter)
    assert len(base._prompts) == 3
