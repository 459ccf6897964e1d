"""What is known of models by their names: whose they are, and which settings OpenAI's own take. Pure, and data.

A name that nothing is known of is never held against a request: it goes out as it was asked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["ModelFacts", "OutputWay", "model_facts", "model_family"]

OutputWay: TypeAlias = Literal["json_schema", "json_object", "prompt"]
"""How a model is brought to answer with JSON of a schema, the best way first."""

# The beginnings of names, without the part before the last slash; who made the model.
_FAMILIES: Final[Sequence[tuple[str, str]]] = (
    (r"gpt-oss", "gpt-oss"),
    (r"(chat)?gpt|o[134](-|$)|codex|ft:gpt", "openai"),
    (r"claude", "anthropic"),
    (r"deepseek", "deepseek"),
    (r"gemini|gemma", "google"),
    (r"grok", "xai"),
    (r"(mi|mini|dev|magi|pix|code|voxt)(s)?tral|ministral|mixtral", "mistral"),
    (r"(meta-)?llama", "meta"),
    (r"qwen|qwq", "qwen"),
    (r"glm|chatglm", "zai"),
    (r"kimi|moonshot", "moonshot"),
    (r"minimax", "minimax"),
    (r"command", "cohere"),
    (r"nova", "amazon"),
    (r"sonar", "perplexity"),
    (r"phi", "microsoft"),
)
_PATTERNS: Final = tuple((re.compile(pattern), family) for pattern, family in _FAMILIES)


def model_family(model: str) -> str:
    """Return whose model it is, by its name; the name itself where that is not known.

    Reasoning goes back to models of its own family only.
    """
    name = model.rpartition("/")[2].lower()
    # Bedrock's ids begin with the maker: openai.gpt-oss-20b-1:0.
    name = re.sub(r"^(us|eu|apac|global)?\.?(openai|anthropic|amazon|meta|mistral|deepseek|qwen)\.", "", name)
    return next((family for pattern, family in _PATTERNS if pattern.match(name)), model)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model of OpenAI's.

    Attributes:
        known: Whether anything is.
        reasons: Whether it thinks before it answers.
        levels: The levels of `reasoning_effort` that it takes, the lowest first.
        can_rest: Whether `reasoning_effort: "none"` switches reasoning off.
        rests: Whether it does not reason unless it is told to.
        samples: Whether it takes `temperature` and `top_p`: True, False, or `"resting"`: only while it does not reason.
        stops: Whether it takes `stop`.
        developer: Whether its instructions are those of a developer.
        output: The best way to a JSON answer.
    """

    known: bool = False
    reasons: bool | None = None
    levels: tuple[str, ...] = ()
    can_rest: bool = False
    rests: bool = False
    samples: bool | Literal["resting"] = True
    stops: bool = True
    developer: bool = False
    output: OutputWay = "json_schema"


_LEVELS: Final = ("low", "medium", "high")
_NOTHING: Final = ModelFacts()

# OpenAI's documentation of its models, of reasoning and of structured outputs. The first pattern that fits counts.
_OPENAI: Final[Sequence[tuple[str, ModelFacts]]] = (
    # Chat variants choose for themselves how much to think, and sample as they see fit.
    (r"gpt-5(\.\d+)?-chat", ModelFacts(known=True, reasons=None, samples=False, stops=True, developer=True)),
    (
        r"gpt-5(\.\d+)?-pro",
        ModelFacts(known=True, reasons=True, levels=("high",), samples=False, stops=False, developer=True),
    ),
    (
        r"gpt-5\.1",
        ModelFacts(
            known=True,
            reasons=True,
            levels=_LEVELS,
            can_rest=True,
            rests=True,
            samples="resting",
            stops=False,
            developer=True,
        ),
    ),
    (
        r"gpt-5\.\d+|gpt-[6-9]",
        ModelFacts(
            known=True,
            reasons=True,
            levels=(*_LEVELS, "xhigh"),
            can_rest=True,
            rests=True,
            samples="resting",
            stops=False,
            developer=True,
        ),
    ),
    (
        r"gpt-5",
        ModelFacts(known=True, reasons=True, levels=("minimal", *_LEVELS), samples=False, stops=False, developer=True),
    ),
    (
        r"o1-(mini|preview)",
        ModelFacts(known=True, reasons=True, samples=False, stops=False, output="prompt"),
    ),
    (
        r"(o[1-9]|codex)(-|$)",
        ModelFacts(known=True, reasons=True, levels=_LEVELS, samples=False, stops=False, developer=True),
    ),
    (r"gpt-4o-2024-05-13", ModelFacts(known=True, reasons=False, output="json_object")),
    (r"(chat)?gpt-4(o|\.)", ModelFacts(known=True, reasons=False)),
    (r"gpt-4-(turbo|1106|0125)", ModelFacts(known=True, reasons=False, output="json_object")),
    (r"gpt-4", ModelFacts(known=True, reasons=False, output="prompt")),
    (r"gpt-3\.5-turbo-(0301|0613|16k|instruct)", ModelFacts(known=True, reasons=False, output="prompt")),
    (r"gpt-3\.5", ModelFacts(known=True, reasons=False, output="json_object")),
    (r"gpt-audio", ModelFacts(known=True, reasons=False, output="prompt")),
)
_OPENAI_PATTERNS: Final = tuple((re.compile(pattern), facts) for pattern, facts in _OPENAI)


def model_facts(model: str) -> ModelFacts:
    """Return what is known of a model by its name: of those of OpenAI, fine-tuned ones included."""
    name = model.rpartition("/")[2].lower().removeprefix("ft:")
    return next((facts for pattern, facts in _OPENAI_PATTERNS if pattern.match(name)), _NOTHING)
