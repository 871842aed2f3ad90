"""Every model that can be fetched: whence, which revision, which files, and what its licence permits.

Revisions are full commit hashes of the model hub, checksums those that its large-file store names files by. Where a
checksum is empty none was to be had from a source we trust: it is written down on the first pull and holds from then on
(`gpu.engine.hub`). Only safetensors, JSON and text are ever listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Role = Literal["base", "vae", "preview_vae", "few_step_lora", "inpaint", "video", "upscaler", "captioner"]


@dataclass(frozen=True)
class ModelFile:
    """One file of a repository. `bytes` 0 and an empty `sha256` mean: not known before the first pull."""

    path: str
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Licence:
    """`commercial` is True where anyone may earn money with it without asking somebody first."""

    name: str
    url: str
    permits: str
    commercial: bool


@dataclass(frozen=True)
class ModelFacts:
    """What anyone may know of a model. `bytes` is the whole download, rounded where the hub only gives it so."""

    name: str
    title: str
    say: str
    role: Role
    repository: str
    revision: str
    files: tuple[ModelFile, ...]
    licence: Licence
    bytes: int
    needs: str


_HUB = "https://huggingface.co"


def _open_rail(page: str) -> Licence:
    return Licence(
        name="CreativeML Open RAIL++-M",
        url=f"{_HUB}/{page}",
        permits="Anyone may use it and sell what it makes, except for the harmful uses listed in its Attachment A; "
        "whoever passes it on passes these conditions on too.",
        commercial=True,
    )


def _mit(repository: str) -> Licence:
    return Licence(
        name="MIT",
        url=f"{_HUB}/{repository}",
        permits="Anyone may use, change and sell it, as long as the notice stays with it.",
        commercial=True,
    )


_SDXL = ModelFacts(
    name="sdxl",
    title="SDXL 1.0",
    say="The base for work: pictures of 1024 px, and what styles are taught on.",
    role="base",
    repository="stabilityai/stable-diffusion-xl-base-1.0",
    revision="462165984030d82259a11f4367a4eed129e94a7b",
    files=(
        ModelFile("model_index.json", 609, "6d7b93508390ab91ac5bfbe4aeb4dc2d83f7bb1b05fb069d714b5b0c75f70d44"),
        ModelFile(
            "scheduler/scheduler_config.json", 479, "af3e45a949aff8b8341ab8b811429ec03fee857a700a1d9477363e4fff9666e2"
        ),
        ModelFile("text_encoder/config.json", 565, "39b8b2e4b1949e36969caa425b6c81c68bace99198dd9078ce05d16ad401fe7f"),
        ModelFile(
            "text_encoder/model.fp16.safetensors",
            246_144_152,
            "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd",
        ),
        ModelFile(
            "text_encoder_2/config.json", 575, "a892d1c3a69a7e9247a24de2bc1d5891e3109a54696e53be20093af671072c34"
        ),
        ModelFile(
            "text_encoder_2/model.fp16.safetensors",
            1_389_382_176,
            "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4",
        ),
        ModelFile("tokenizer/merges.txt", 524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
        ModelFile(
            "tokenizer/special_tokens_map.json",
            472,
            "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac",
        ),
        ModelFile(
            "tokenizer/tokenizer_config.json", 737, "19d7b034cb0cc3ce9766c2231373ab8aa8991fc72e2c8f76558bfaae3de0d563"
        ),
        ModelFile(
            "tokenizer/vocab.json", 1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"
        ),
        ModelFile(
            "tokenizer_2/merges.txt", 524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
        ),
        ModelFile(
            "tokenizer_2/special_tokens_map.json",
            460,
            "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6",
        ),
        ModelFile(
            "tokenizer_2/tokenizer_config.json",
            725,
            "c9d23941f76a41cbd50eda9290f57be7828f0a7a677939e9ef181f7e12bd1bdf",
        ),
        ModelFile(
            "tokenizer_2/vocab.json", 1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"
        ),
        ModelFile("unet/config.json", 1680, "30ebc70750223e59006f7f2b4e1e6c102570aa19a9c4ae3e1fbe7591332dbae6"),
        ModelFile(
            "unet/diffusion_pytorch_model.fp16.safetensors",
            5_135_149_760,
            "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
        ),
    ),
    licence=_open_rail("stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md"),
    bytes=6_773_851_552,
    needs="A GPU with 8 GB or more; sdxl-vae beside it. On a CPU a picture takes about half an hour.",
)

_SDXL_VAE = ModelFacts(
    name="sdxl-vae",
    title="SDXL VAE, safe in half precision",
    say="Turns latents into pictures without the black ones that the original gives in float16.",
    role="vae",
    repository="madebyollin/sdxl-vae-fp16-fix",
    revision="207b116dae70ace3637169f1ddd2434b91b3a8cd",
    files=(
        ModelFile("config.json", 631, "f18b16fa4381c90ab44a3d7abd2e90afd05a2c31b8ca69998bc93c6453aeb7b7"),
        ModelFile(
            "diffusion_pytorch_model.safetensors",
            334_643_238,
            "1b909373b28f2137098b0fd9dbc6f97f8410854f31f84ddc9fa04b077b0ace2c",
        ),
    ),
    licence=_mit("madebyollin/sdxl-vae-fp16-fix"),
    bytes=334_643_869,
    needs="Nothing of its own; SDXL always takes it.",
)

_TAESDXL = ModelFacts(
    name="taesdxl",
    title="TAESDXL",
    say="A tiny decoder that shows an SDXL picture while it forms.",
    role="preview_vae",
    repository="madebyollin/taesdxl",
    revision="b20258aaef75ef61e659c1e0f14f251cf0ad153e",
    files=(
        ModelFile("config.json"),
        ModelFile(
            "diffusion_pytorch_model.safetensors",
            9_793_292,
            "ff4824aca94dd6111e0340fa749347fb74101060d9712cb5ef1ca8f1cf17502f",
        ),
    ),
    licence=_mit("madebyollin/taesdxl"),
    bytes=9_794_000,
    needs="Nothing of its own. Without it previews are a colour map of the latents.",
)

_SDXL_FAST = ModelFacts(
    name="sdxl-fast",
    title="SDXL-Lightning, 4 steps",
    say="A LoRA that lets SDXL draw in four steps without guidance: the tier fast.",
    role="few_step_lora",
    repository="ByteDance/SDXL-Lightning",
    revision="c9a24f48e1c025556787b0c58dd67a091ece2e44",
    files=(
        ModelFile(
            "sdxl_lightning_4step_lora.safetensors",
            393_854_592,
            "bf56cf2657efb15e465d81402ed481d1e11c4677e4bcce1bc11fe71ad8506b79",
        ),
    ),
    licence=_open_rail("ByteDance/SDXL-Lightning"),
    bytes=393_854_592,
    needs="SDXL. Without it the tier fast is not offered.",
)

_SDXL_INPAINT = ModelFacts(
    name="sdxl-inpaint",
    title="SDXL Inpainting 0.1",
    say="SDXL's UNet taught to fill a hole in a picture; it works with SDXL's own text encoders and VAE.",
    role="inpaint",
    repository="diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
    revision="115134f363124c53c7d878647567d04daf26e41e",
    files=(
        ModelFile("unet/config.json"),
        ModelFile(
            "unet/diffusion_pytorch_model.fp16.safetensors",
            sha256="6470840731e98cc16713ddf3ac7ee458c9fdbcb881a98c6727cd4a938f227d3f",
        ),
    ),
    licence=_open_rail("diffusers/stable-diffusion-xl-1.0-inpainting-0.1"),
    bytes=5_140_000_000,
    needs="SDXL, and a GPU with 8 GB or more. Without it a hole is filled by the base itself.",
)

_SVD_XT = ModelFacts(
    name="svd-xt",
    title="Stable Video Diffusion XT",
    say="Makes a film of 25 frames from one picture.",
    role="video",
    repository="stabilityai/stable-video-diffusion-img2vid-xt",
    revision="9e43909513c6714f1bc78bcb44d96e733cd242aa",
    files=(
        ModelFile("model_index.json"),
        ModelFile("feature_extractor/preprocessor_config.json"),
        ModelFile("image_encoder/config.json"),
        ModelFile(
            "image_encoder/model.fp16.safetensors",
            1_264_217_240,
            "ae616c24393dd1854372b0639e5541666f7521cbe219669255e865cb7f89466a",
        ),
        ModelFile("scheduler/scheduler_config.json"),
        ModelFile("unet/config.json"),
        ModelFile(
            "unet/diffusion_pytorch_model.fp16.safetensors",
            3_049_435_868,
            "9fbc02e90f37d422f5e3a4aeaee95f6629dc8c45ca211b951626e930daf2bddf",
        ),
        ModelFile("vae/config.json", sha256="8f34272db69f7e2c615da6142ca3f9fdcd7b682bcfd903ceb15035fea79a8303"),
        ModelFile(
            "vae/diffusion_pytorch_model.fp16.safetensors",
            195_531_910,
            "af602cd0eb4ad6086ec94fbf1438dfb1be5ec9ac03fd0215640854e90d6463a3",
        ),
    ),
    licence=Licence(
        name="Stability AI Community License",
        url=f"{_HUB}/stabilityai/stable-video-diffusion-img2vid-xt/blob/main/LICENSE.md",
        permits="Free for research and private use. Whoever earns money with it registers with Stability AI first, and "
        "needs its enterprise licence beyond a yearly revenue of one million US dollars.",
        commercial=False,
    ),
    bytes=4_509_195_000,
    needs="A GPU with 8 GB or more. Without it films are camera moves over the still picture.",
)

_UPSCALER = ModelFacts(
    name="upscaler",
    title="Swin2SR, four times",
    say="Enlarges a picture fourfold and mends what compression did to it.",
    role="upscaler",
    repository="caidas/swin2SR-realworld-sr-x4-64-bsrgan-psnr",
    # the repository's main branch holds a pickle alone; this is the hub's own conversion of it to safetensors
    revision="fbc21c5ea78579a0d415f74e06eefb5c77028475",
    files=(
        ModelFile("config.json"),
        ModelFile("model.safetensors"),
        ModelFile("preprocessor_config.json"),
    ),
    licence=Licence(
        name="Apache-2.0",
        url=f"{_HUB}/caidas/swin2SR-realworld-sr-x4-64-bsrgan-psnr",
        permits="Anyone may use, change and sell it, as long as the licence stays with it and changes are named.",
        commercial=True,
    ),
    bytes=48_300_000,
    needs="Nothing of its own; a CPU will do. Without it pictures are enlarged by interpolation.",
)

_CAPTIONER = ModelFacts(
    name="captioner",
    title="BLIP, large",
    say="Says in a few words what a picture shows: captions for references.",
    role="captioner",
    # the base size exists as a pickle alone
    repository="Salesforce/blip-image-captioning-large",
    revision="353689b859fcf0523410b1806dace5fb46ecdf41",
    files=(
        ModelFile("config.json"),
        ModelFile(
            "model.safetensors",
            1_879_014_680,
            "ebc867586b8318647dd7b75ef8e52f93f89b98ac7dcbd04d10219d33b9a68c6f",
        ),
        ModelFile("preprocessor_config.json"),
        ModelFile("special_tokens_map.json"),
        ModelFile("tokenizer.json"),
        ModelFile("tokenizer_config.json"),
        ModelFile("vocab.txt"),
    ),
    licence=Licence(
        name="BSD-3-Clause",
        url=f"{_HUB}/Salesforce/blip-image-captioning-large",
        permits="Anyone may use, change and sell it, as long as the notice stays with it and its makers' names are not "
        "used for advertising.",
        commercial=True,
    ),
    bytes=1_879_964_000,
    needs="2 GB of memory; a CPU will do. Without it captions are suggested from the files' names.",
)

MODELS: Mapping[str, ModelFacts] = MappingProxyType(
    {one.name: one for one in (_SDXL, _SDXL_VAE, _TAESDXL, _SDXL_FAST, _SDXL_INPAINT, _SVD_XT, _UPSCALER, _CAPTIONER)}
)


def model(name: str) -> ModelFacts:
    """The facts of a model by its name. Raises LookupError with a sentence that lists the names."""
    if name not in MODELS:
        raise LookupError(f"There is no model “{name}”. There are: {', '.join(MODELS)}.")
    return MODELS[name]
