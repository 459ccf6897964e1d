"""The models and inference profiles of the emulator: data of its own making, under ids that people know.

What a row says of a model is plausible rather than current: names are short, dates are round. Which of the ids need an
inference profile, and which are of the past, is as recorded traffic and public documentation have it.
"""

from dataclasses import dataclass
from typing import Final

ACCOUNT: Final = "123456789012"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationModel:
    """One model of the catalog.

    Attributes:
        id: The model id.
        name: For people; the service's model allows 20 characters.
        provider: Who made it, for people.
        input: What it reads: `TEXT`, `IMAGE`.
        output: What it writes: `TEXT`, `IMAGE`, `EMBEDDING`.
        streaming: Whether it can answer piece by piece.
        on_demand: Whether its own id can be asked; else an inference profile has to be.
        provisioned: Whether capacity can be reserved for it.
        customizations: How it can be changed.
        started: Since when it exists, as a date.
        legacy_since: Since when it is of the past, or None for a model that is current.
        profiles: The geographies that have an inference profile for it.
    """

    id: str
    name: str
    provider: str
    input: tuple[str, ...] = ("TEXT",)
    output: tuple[str, ...] = ("TEXT",)
    streaming: bool = True
    on_demand: bool = True
    provisioned: bool = False
    customizations: tuple[str, ...] = ()
    started: str
    legacy_since: str | None = None
    profiles: tuple[str, ...] = ()


_BOTH: Final = ("TEXT", "IMAGE")

MODELS: Final[tuple[FoundationModel, ...]] = (
    FoundationModel(
        id="amazon.nova-micro-v1:0",
        name="Nova Micro",
        provider="Amazon",
        provisioned=True,
        customizations=("FINE_TUNING", "DISTILLATION"),
        started="2024-12-01",
        profiles=("us", "eu", "apac"),
    ),
    FoundationModel(
        id="amazon.nova-lite-v1:0",
        name="Nova Lite",
        provider="Amazon",
        input=_BOTH,
        provisioned=True,
        customizations=("FINE_TUNING", "DISTILLATION"),
        started="2024-12-01",
        profiles=("us", "eu", "apac"),
    ),
    FoundationModel(
        id="amazon.nova-pro-v1:0",
        name="Nova Pro",
        provider="Amazon",
        input=_BOTH,
        started="2024-12-01",
        profiles=("us", "eu", "apac"),
    ),
    FoundationModel(
        id="amazon.nova-2-lite-v1:0",
        name="Nova 2 Lite",
        provider="Amazon",
        input=_BOTH,
        on_demand=False,
        started="2025-12-01",
        profiles=("us", "eu", "jp", "global"),
    ),
    FoundationModel(
        id="amazon.nova-canvas-v1:0",
        name="Nova Canvas",
        provider="Amazon",
        input=_BOTH,
        output=("IMAGE",),
        streaming=False,
        started="2024-12-01",
    ),
    FoundationModel(
        id="amazon.titan-embed-text-v2:0",
        name="Titan Embeddings V2",
        provider="Amazon",
        output=("EMBEDDING",),
        streaming=False,
        started="2024-05-01",
    ),
    FoundationModel(
        id="anthropic.claude-3-haiku-20240307-v1:0",
        name="Claude 3 Haiku",
        provider="Anthropic",
        input=_BOTH,
        provisioned=True,
        customizations=("FINE_TUNING",),
        started="2024-03-01",
        legacy_since="2026-03-01",
        profiles=("us", "eu", "apac"),
    ),
    FoundationModel(
        id="anthropic.claude-sonnet-4-20250514-v1:0",
        name="Claude Sonnet 4",
        provider="Anthropic",
        input=_BOTH,
        on_demand=False,
        started="2025-05-01",
        legacy_since="2026-05-01",
        profiles=("us", "eu", "apac", "global"),
    ),
    FoundationModel(
        id="anthropic.claude-opus-4-1-20250805-v1:0",
        name="Claude Opus 4.1",
        provider="Anthropic",
        input=_BOTH,
        on_demand=False,
        started="2025-08-01",
        profiles=("us",),
    ),
    FoundationModel(
        id="anthropic.claude-sonnet-4-5-20250929-v1:0",
        name="Claude Sonnet 4.5",
        provider="Anthropic",
        input=_BOTH,
        on_demand=False,
        started="2025-09-01",
        profiles=("us", "eu", "jp", "au", "global"),
    ),
    FoundationModel(
        id="anthropic.claude-haiku-4-5-20251001-v1:0",
        name="Claude Haiku 4.5",
        provider="Anthropic",
        input=_BOTH,
        on_demand=False,
        started="2025-10-01",
        profiles=("us", "eu", "jp", "au", "global"),
    ),
    FoundationModel(
        id="anthropic.claude-sonnet-4-6",
        name="Claude Sonnet 4.6",
        provider="Anthropic",
        input=_BOTH,
        on_demand=False,
        started="2026-02-01",
        profiles=("us", "eu", "jp", "au", "global"),
    ),
    FoundationModel(
        id="anthropic.claude-sonnet-5",
        name="Claude Sonnet 5",
        provider="Anthropic",
        input=_BOTH,
        on_demand=False,
        started="2026-06-01",
        profiles=("us", "eu", "jp", "au", "global"),
    ),
    FoundationModel(
        id="cohere.command-r-plus-v1:0",
        name="Command R+",
        provider="Cohere",
        started="2024-04-01",
        legacy_since="2026-01-01",
    ),
    FoundationModel(
        id="deepseek.r1-v1:0",
        name="DeepSeek-R1",
        provider="DeepSeek",
        on_demand=False,
        started="2025-03-01",
        profiles=("us",),
    ),
    FoundationModel(
        id="meta.llama3-3-70b-instruct-v1:0",
        name="Llama 3.3 70B",
        provider="Meta",
        on_demand=False,
        started="2024-12-01",
        profiles=("us",),
    ),
    FoundationModel(
        id="meta.llama4-maverick-17b-instruct-v1:0",
        name="Llama 4 Maverick",
        provider="Meta",
        input=_BOTH,
        on_demand=False,
        started="2025-04-01",
        profiles=("us",),
    ),
    FoundationModel(
        id="mistral.mistral-large-3-675b-instruct",
        name="Mistral Large 3",
        provider="Mistral AI",
        input=_BOTH,
        started="2025-12-01",
    ),
    FoundationModel(
        id="mistral.pixtral-large-2502-v1:0",
        name="Pixtral Large",
        provider="Mistral AI",
        input=_BOTH,
        on_demand=False,
        started="2025-02-01",
        profiles=("us", "eu"),
    ),
    FoundationModel(id="openai.gpt-oss-120b-1:0", name="gpt-oss-120b", provider="OpenAI", started="2025-08-01"),
    FoundationModel(id="openai.gpt-oss-20b-1:0", name="gpt-oss-20b", provider="OpenAI", started="2025-08-01"),
    FoundationModel(id="qwen.qwen3-32b-v1:0", name="Qwen3 32B", provider="Qwen", started="2025-09-01"),
    FoundationModel(
        id="writer.palmyra-x4-v1:0",
        name="Palmyra X4",
        provider="Writer",
        on_demand=False,
        started="2025-04-01",
        profiles=("us",),
    ),
)


@dataclass(frozen=True, slots=True)
class Geography:
    """Where the profiles of one geography lead.

    Attributes:
        prefix: What stands before the model id.
        home: What the regions begin with that list these profiles; the empty text is every region.
        regions: Where the requests go.
    """

    prefix: str
    home: str
    regions: tuple[str, ...]


GEOGRAPHIES: Final[tuple[Geography, ...]] = (
    Geography("us", "us-", ("us-east-1", "us-east-2", "us-west-2")),
    Geography("eu", "eu-", ("eu-west-1", "eu-west-3", "eu-central-1", "eu-north-1")),
    Geography("jp", "ap-northeast-", ("ap-northeast-1", "ap-northeast-3")),
    Geography("au", "ap-southeast-", ("ap-southeast-2", "ap-southeast-4")),
    Geography("apac", "ap-", ("ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2")),
    Geography("global", "", ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1")),
)

APPLICATION_PROFILES: Final = {
    "emuprof1cat2": ("Reading room", "amazon.nova-lite-v1:0"),
    "emuprof3dog4": ("Mail desk", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
}
"""Inference profiles that an account has made for itself: name and model by id."""
