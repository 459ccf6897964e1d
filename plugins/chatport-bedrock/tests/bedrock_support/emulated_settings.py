"""Requests whose cache points, reasoning or schemas are refused by some models and accepted by others."""

from bedrock_support.emulated_examples import (
    ACCOUNTS_OWN,
    ADAPTIVE,
    BUDGET,
    CALL,
    CLAUDE_5,
    DEEPSEEK,
    GPT,
    HELLO,
    LONG_POINT,
    MODEL_SAYS,
    NOVA_2,
    POINT,
    QWEN,
    SHORT_POINT,
    SIGNED_THOUGHT,
    THOUGHT,
    Example,
    answer_format,
    choosing,
    strict,
    thinking,
)
from bedrock_support.emulation import (
    CLAUDE,
    LLAMA,
    NOVA,
    OLD_CLAUDE,
    TIME,
    TOOLS,
    assistant,
    document,
    image,
    png,
    talk,
    tool_result,
    user,
)

CACHE = [
    Example(
        "caching",
        LLAMA,
        talk(user("Hi", POINT)),
        "You invoked an unsupported model or your request did not allow prompt caching.",
        [(CLAUDE, talk(user("Hi", POINT))), (NOVA, talk(user("Hi", POINT)))],
        status=403,
    ),
    Example(
        "cache-point-after",
        CLAUDE,
        talk(user("Read.", document("a"), POINT)),
        "messages.0.content.2: Cache point cannot be inserted after document block.",
        [(CLAUDE, talk(user("Read.", POINT, document("a")))), (CLAUDE, talk(user("See.", image(png()), POINT)))],
    ),
    Example(
        "cache-point-after",
        CLAUDE,
        talk(HELLO, assistant(SIGNED_THOUGHT, POINT, "Hi"), HELLO),
        "messages.1.content.1: Cache point cannot be inserted after reasoning block.",
        [(CLAUDE, talk(HELLO, assistant(SIGNED_THOUGHT, "Hi", POINT), HELLO))],
    ),
    Example("cache-point-after", NOVA, talk(user(POINT, "Hi")), "messages.0.content.0: A cache point must follow"),
    Example("cache-point-after", CLAUDE, talk(user("Hi", POINT, POINT)), "messages.0.content.2: A cache point must"),
    Example(
        "cache-point-after",
        CLAUDE,
        talk(HELLO, system=[{"text": "Be kind."}, POINT, POINT]),
        "system.2: A cache point must follow",
    ),
    Example(
        "cache-points",
        CLAUDE,
        talk(
            user("a", POINT, "b", POINT, "c", POINT),
            system=[{"text": "Be kind."}, POINT],
            toolConfig={"tools": [TIME, POINT]},
        ),
        f"{MODEL_SAYS}A maximum of 4 blocks with cache_control may be provided. Found 5.",
        [(CLAUDE, talk(user("a", POINT, "b", POINT, "c", POINT), system=[{"text": "Be kind."}, POINT]))],
    ),
    Example(
        "cache-point-order",
        CLAUDE,
        talk(user("Hi", LONG_POINT), system=[{"text": "Be kind."}, SHORT_POINT]),
        f"{MODEL_SAYS}messages.0.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after",
        [(CLAUDE, talk(user("Hi", POINT), system=[{"text": "Be kind."}, LONG_POINT]))],
    ),
    Example(
        "cache-point-order",
        CLAUDE,
        talk(HELLO, system=[{"text": "Be kind."}, LONG_POINT], toolConfig={"tools": [TIME, POINT]}),
        f"{MODEL_SAYS}system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after",
    ),
    Example(
        "cache-point-place",
        NOVA,
        talk(HELLO, toolConfig={"tools": [TIME, POINT]}),
        f"{MODEL_SAYS}Malformed input request: #/toolConfig/tools/1: extraneous key [cachePoint] is not permitted",
        [(CLAUDE, talk(HELLO, toolConfig={"tools": [TIME, POINT]}))],
    ),
    Example(
        "cache-point-place",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a"), POINT), toolConfig=TOOLS),
        f"{MODEL_SAYS}Malformed input request: #/messages/2/content/1: extraneous key [cachePoint]",
        [(CLAUDE, talk(HELLO, CALL, user(tool_result("a"), POINT), toolConfig=TOOLS))],
    ),
    Example(
        "cache-point-ttl",
        NOVA,
        talk(user("Hi", SHORT_POINT)),
        f"{MODEL_SAYS}Malformed input request: #/messages/0/content/1: extraneous key [ttl] is not permitted",
        [(CLAUDE, talk(user("Hi", SHORT_POINT)))],
    ),
]

REASONING = [
    Example(
        "reasoning",
        LLAMA,
        talk(HELLO, assistant(THOUGHT, "Hi"), HELLO),
        "This model doesn't support the reasoningContent content block that you provided.",
        [(GPT, talk(HELLO, assistant(THOUGHT, "Hi"), HELLO)), (DEEPSEEK, talk(HELLO, assistant(THOUGHT, "Hi"), HELLO))],
    ),
    Example(
        "signature-field",
        NOVA_2,
        talk(HELLO, assistant(SIGNED_THOUGHT, "Hi"), HELLO),
        "This model doesn't support the reasoningContent.reasoningText.signature field.",
        [
            (NOVA_2, talk(HELLO, assistant(THOUGHT, "Hi"), HELLO)),
            (CLAUDE, talk(HELLO, assistant(SIGNED_THOUGHT), HELLO)),
        ],
    ),
    Example(
        "reasoning-signature",
        ACCOUNTS_OWN,
        talk(HELLO, assistant(THOUGHT, "Hi"), HELLO),
        f"{MODEL_SAYS}messages.1.content.0.thinking.signature: Field required",
    ),
    Example(
        "reasoning-budget",
        CLAUDE_5,
        thinking(BUDGET),
        f'{MODEL_SAYS}"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
        [
            (CLAUDE, thinking(BUDGET)),
            (CLAUDE_5, thinking(ADAPTIVE)),
            ("us.anthropic.claude-sonnet-4-6", thinking(BUDGET)),
        ],
    ),
    Example(
        "reasoning-budget",
        CLAUDE,
        thinking({"thinking": {"type": "enabled"}}),
        f"{MODEL_SAYS}thinking.enabled.budget_tokens: Field required",
    ),
    Example(
        "reasoning-manner",
        CLAUDE,
        thinking(ADAPTIVE),
        f"{MODEL_SAYS}adaptive thinking is not supported on this model",
        [("us.anthropic.claude-sonnet-4-6", thinking(ADAPTIVE)), (CLAUDE_5, thinking(ADAPTIVE))],
    ),
    Example(
        "reasoning-manner",
        "anthropic.claude-fable-5",
        thinking({"thinking": {"type": "disabled"}}),
        f'{MODEL_SAYS}"thinking.type.disabled" is not supported for this model.',
        [(CLAUDE_5, thinking({"thinking": {"type": "disabled"}}))],
    ),
    *(
        Example("reasoning-effort", model, thinking(refused), MODEL_SAYS + message, [(model, thinking(accepted))])
        for model, refused, message, accepted in (
            (
                "us.anthropic.claude-sonnet-4-6",
                {**ADAPTIVE, "output_config": {"effort": "xhigh"}},
                "output_config.effort: 'xhigh' is not one of high, low, max, medium",
                {**ADAPTIVE, "output_config": {"effort": "max"}},
            ),
            (
                NOVA_2,
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "max"}},
                "reasoningConfig.maxReasoningEffort: 'max' is not one of high, low, medium",
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            ),
            (
                GPT,
                {"reasoning_effort": "none"},
                "reasoning_effort: 'none' is not one of high, low, medium",
                {"reasoning_effort": "low"},
            ),
            (
                QWEN,
                {"reasoning_config": "medium"},
                "reasoning_config: 'medium' is not one of high, low",
                {"reasoning_config": "high"},
            ),
        )
    ),
    Example(
        "reasoning-sampling",
        CLAUDE,
        thinking(BUDGET, inferenceConfig={"temperature": 0.5}),
        f"{MODEL_SAYS}`temperature` may only be set to 1 when thinking is enabled.",
        [(CLAUDE, thinking(BUDGET, inferenceConfig={"temperature": 1, "topP": 0.95}))],
    ),
    Example(
        "reasoning-sampling",
        CLAUDE,
        thinking(BUDGET, inferenceConfig={"topP": 0.9}),
        f"{MODEL_SAYS}`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
    ),
    Example(
        "reasoning-sampling",
        CLAUDE,
        thinking({**BUDGET, "top_k": 5}),
        f"{MODEL_SAYS}`top_k` must be unset when thinking is enabled.",
        [(CLAUDE, thinking({"top_k": 5}))],
    ),
    Example(
        "reasoning-choice",
        CLAUDE,
        {**choosing("any"), "additionalModelRequestFields": BUDGET},
        f"{MODEL_SAYS}Thinking may not be enabled when tool_choice forces tool use.",
        [
            (CLAUDE, {**choosing("auto"), "additionalModelRequestFields": BUDGET}),
            (CLAUDE_5, {**choosing("any"), "additionalModelRequestFields": ADAPTIVE}),
        ],
    ),
    *(
        Example(
            "sampling",
            CLAUDE_5,
            body,
            f"{MODEL_SAYS}`{name}` is deprecated for this model.",
            [(CLAUDE, body)],
        )
        for name, body in (
            ("temperature", talk(HELLO, inferenceConfig={"temperature": 0})),
            ("top_p", talk(HELLO, inferenceConfig={"topP": 1})),
            ("top_k", thinking({"top_k": 5})),
        )
    ),
    Example(
        "effort-limits",
        NOVA_2,
        thinking(
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, inferenceConfig={"maxTokens": 100}
        ),
        f"{MODEL_SAYS}The maxTokens field can't be set when maxReasoningEffort is high.",
        [
            (NOVA_2, thinking({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}})),
            (
                NOVA_2,
                thinking(
                    {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
                    inferenceConfig={"maxTokens": 100},
                ),
            ),
        ],
    ),
]

STRICT_SAYS = f"{MODEL_SAYS}tools.0.custom: "
STRICT = [
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": "string"}, additional=True),
        f"{STRICT_SAYS}For 'object' type, 'additionalProperties' must be explicitly set to false",
        [(CLAUDE, strict({"type": "string", "minLength": 1, "maxLength": 9, "pattern": "a"}))],
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"anyOf": [{"$ref": "#/$defs/b"}]}, defs={"b": {"type": "object"}}),
        f"{STRICT_SAYS}For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": "integer", "minimum": 1, "maximum": 9}),
        f"{STRICT_SAYS}For 'integer' type, properties maximum, minimum are not supported",
        [(CLAUDE, strict({"type": "integer"}))],
    ),
    Example(
        "strict-tools",
        NOVA_2,
        strict({"type": "integer"}),
        f"{MODEL_SAYS}This model doesn't support the strict field. Remove strict and try again.",
        [(CLAUDE, strict({"type": "integer"}))],
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": ["number", "null"], "multipleOf": 2}),
        f"{STRICT_SAYS}For 'number' type, property 'multipleOf' is not supported",
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": "array", "items": {"type": "string"}, "maxItems": 3}),
        f"{STRICT_SAYS}For 'array' type, property 'maxItems' is not supported",
        [(CLAUDE, strict({"type": "array", "items": {"type": "string"}, "minItems": 1}))],
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": "array", "items": {"type": "string"}, "minItems": 2}),
        f"{STRICT_SAYS}For 'array' type, 'minItems' values other than 0 or 1 are not supported",
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": "string"}, 21),
        f"{MODEL_SAYS}Too many strict tools (21).",
        [(CLAUDE, strict({"type": "string"}, 20))],
    ),
    Example(
        "strict-tools",
        CLAUDE,
        strict({"type": ["string", "null"]}, 17),
        f"{MODEL_SAYS}Schemas contains too many parameters with union types (17 parameters",
        [(CLAUDE, strict({"anyOf": [{"type": "string"}, {"type": "null"}]}, 16))],
    ),
    Example(
        "strict-tools",
        OLD_CLAUDE,
        strict({"type": "string"}),
        f"{MODEL_SAYS}tools.0.custom.strict: Extra inputs are not permitted",
        [(OLD_CLAUDE, talk(HELLO, toolConfig=TOOLS))],
    ),
    Example(
        "structured-answer",
        NOVA_2,
        answer_format('{"type": "object", "properties": {}, "additionalProperties": false}'),
        "This model doesn't support the outputConfig.textFormat field.",
        [(CLAUDE, answer_format('{"type": "object", "properties": {}, "additionalProperties": false}'))],
    ),
    Example(
        "strict-answer",
        CLAUDE,
        answer_format('{"type": "object", "properties": {}}'),
        f"{MODEL_SAYS}output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set",
        [(CLAUDE, answer_format('{"type": "object", "properties": {}, "additionalProperties": false}'))],
    ),
]

SETTINGS: list[Example] = [*CACHE, *REASONING, *STRICT]
