"""The networks: SDXL's classes at a size that two CPU cores can train."""

import gzip
import json
import zipfile
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TOKENS = 32
"""Length of every prompt in tokens, start and end included."""
MERGES = 4000
"""CLIP's byte-pair merges stand in order of use, so their first few thousand are a valid, smaller tokenizer."""
START, END = "<|startoftext|>", "<|endoftext|>"

FIRST_WIDTH, SECOND_WIDTH = 128, 192
LATENT_CHANNELS, LATENT_SIDE = 8, 16
TIME_ID_WIDTH = 32


def read_merges(wheel: Path) -> list[str]:
    """CLIP's merges (MIT) out of the `open_clip_torch` wheel."""
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(packed).decode().split("\n")[1 : MERGES + 1]


def byte_signs() -> list[str]:
    """The printable sign that stands for each byte, in CLIP's order: visible signs as they are, then the rest."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [chr(byte) for byte in visible] + [chr(256 + place) for place in range(len(hidden))]


def vocabulary(merges: list[str]) -> dict[str, int]:
    """Token → number: bytes, bytes that end a word, merges, start, end."""
    signs = byte_signs()
    tokens = signs + [sign + "</w>" for sign in signs] + ["".join(merge.split()) for merge in merges] + [START, END]
    return {token: number for number, token in enumerate(tokens)}


def write_tokenizer(target: Path, merges: list[str]) -> None:
    """A CLIP tokenizer folder with the shortened merges."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "vocab.json").write_text(json.dumps(vocabulary(merges), ensure_ascii=False))
    (target / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    names = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "do_lower_case": True, **names}
    (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def text_config(*, words: int, width: int, layers: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=width * 4,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=TOKENS,
        hidden_act=activation,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )


def make_unet() -> UNet2DConditionModel:
    """SDXL's block types: no attention at the widest level, one transformer layer at the two below and the middle."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 1),
        attention_head_dim=(2, 4, 6),
        cross_attention_dim=FIRST_WIDTH + SECOND_WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=6 * TIME_ID_WIDTH + SECOND_WIDTH,
    )


class Starter(torch.nn.Module):
    """The trainable whole: two text encoders and the UNet."""

    def __init__(self, words: int) -> None:
        super().__init__()
        first = text_config(words=words, width=FIRST_WIDTH, layers=2, activation="quick_gelu")
        second = text_config(words=words, width=SECOND_WIDTH, layers=3, activation="gelu")
        self.text_encoder = CLIPTextModel(first)
        self.text_encoder_2 = CLIPTextModelWithProjection(second)
        self.unet = make_unet()

    def read(self, tokens: torch.Tensor, silent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens [n, 32] → states [n, 32, 320] and summary [n, 192], both zero where `silent`.

        Penultimate layers, as SDXL reads them (Podell et al. 2023, section 2.1).
        """
        first = self.text_encoder(tokens, output_hidden_states=True).hidden_states[-2]
        second = self.text_encoder_2(tokens, output_hidden_states=True)
        keep = (~silent).float()[:, None]
        states = torch.cat([first, second.hidden_states[-2]], dim=-1)
        return states * keep[:, :, None], second.text_embeds * keep

    def forward(
        self, noisy: torch.Tensor, steps: torch.Tensor, tokens: torch.Tensor, silent: torch.Tensor
    ) -> torch.Tensor:
        """The velocity for noisy latents [n, 8, h, w] at `steps` [n], with SDXL's size conditioning."""
        states, summary = self.read(tokens, silent)
        height, width = noisy.shape[-2] * 8, noisy.shape[-1] * 8
        sizes = torch.tensor([[height, width, 0, 0, height, width]], device=noisy.device, dtype=torch.float32)
        added = {"text_embeds": summary, "time_ids": sizes.expand(len(noisy), -1)}
        return self.unet(noisy, steps, states, added_cond_kwargs=added).sample


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder)
