"""What the emulator refuses of some models and accepts of others: a pair of requests for each rule, or more."""

from base64 import b64encode

from bedrock_support.emulated_examples import (
    ACCOUNTS_OWN,
    CALL,
    CLAUDE_5,
    COMMAND,
    DEEPSEEK,
    FILM,
    FILM_REFUSED,
    GPT,
    HELLO,
    LLAMA_4,
    MISTRAL,
    MODEL_SAYS,
    NO_RESULT,
    NOT_MIXED,
    NOVA_2,
    PIXTRAL,
    QWEN,
    REMOTE_DOCUMENT,
    REMOTE_IMAGE,
    SONNET_ARN,
    SOUND,
    THREE_MEBIBYTES,
    WRITER,
    Example,
    answered,
    choosing,
    no_choice,
)
from bedrock_support.emulated_settings import SETTINGS
from bedrock_support.emulation import (
    CLAUDE,
    LLAMA,
    NOVA,
    OLD_CLAUDE,
    TOOLS,
    assistant,
    document,
    image,
    jpeg,
    png,
    talk,
    tool_result,
    tool_use,
    user,
)

REACHING = [
    Example("model-id", "does-not-exist", talk(HELLO), "The provided model identifier is invalid."),
    Example("model-id", "does-not-exist-model-v1:0", talk(HELLO), "The provided model identifier is invalid."),
    *(
        Example(
            "count-tokens",
            model,
            talk(HELLO),
            "The provided model doesn't support counting tokens.",
            [("anthropic.claude-sonnet-4-20250514-v1:0", talk(HELLO)), (SONNET_ARN, talk(HELLO))],
            operation="CountTokens",
        )
        for model in (NOVA, CLAUDE, "amazon.nova-lite-v1:0", OLD_CLAUDE, ACCOUNTS_OWN)
    ),
    Example(
        "on-demand",
        "deepseek.r1-v1:0",
        talk(HELLO),
        "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput isn\u2019t supported. Retry your request "
        "with the ID or ARN of an inference profile that contains this model.",
        [(DEEPSEEK, talk(HELLO)), ("someone.new-model-v1:0", talk(HELLO)), (GPT, talk(HELLO))],
    ),
    *(
        Example(
            "system",
            model,
            talk(HELLO, system=[{"text": "Be brief."}]),
            "This model doesn't support system messages.",
            [(model, talk(HELLO)), (LLAMA, talk(HELLO, system=[{"text": "Be brief."}]))],
        )
        for model in ("amazon.titan-text-express-v1", "mistral.mistral-7b-instruct-v0:2", "cohere.command-text-v14")
    ),
]

TURNS = [
    Example(
        "prefill",
        CLAUDE_5,
        talk(HELLO, assistant("Well,")),
        f"{MODEL_SAYS}This model does not support assistant message prefill. The conversation must end with a user",
        [(CLAUDE, talk(HELLO, assistant("Well,"))), (NOVA, talk(HELLO, assistant("Well,")))],
    ),
    Example(
        "prefill",
        "us.anthropic.claude-sonnet-4-6",
        talk(HELLO, assistant("Well,")),
        f"{MODEL_SAYS}This model does not support assistant message prefill.",
    ),
    Example(
        "trailing-space",
        CLAUDE,
        talk(HELLO, assistant("Well, ")),
        f"{MODEL_SAYS}messages: final assistant content cannot end with trailing whitespace",
        [
            (NOVA, talk(HELLO, assistant("Well, "))),
            (CLAUDE, talk(HELLO, assistant("Well, "), HELLO)),
            (CLAUDE, talk(HELLO, assistant(" Well"))),
        ],
    ),
    *(
        Example(
            "mixed-turns",
            model,
            talk(HELLO, CALL, user(tool_result("a"), "And?"), toolConfig=TOOLS),
            NOT_MIXED.format("result"),
            [
                (model, talk(HELLO, CALL, user(tool_result("a")), assistant("Fine."), HELLO, toolConfig=TOOLS)),
                (NOVA, talk(HELLO, CALL, user(tool_result("a"), "And?"), toolConfig=TOOLS)),
                (CLAUDE, talk(HELLO, CALL, user(tool_result("a"), "And?"), toolConfig=TOOLS)),
            ],
        )
        for model in (LLAMA, PIXTRAL, WRITER)
    ),
    Example(
        "mixed-turns",
        LLAMA,
        talk(HELLO, CALL, user(tool_result("a")), HELLO, toolConfig=TOOLS),
        NOT_MIXED.format("result"),
    ),
    Example(
        "mixed-turns",
        MISTRAL,
        talk(HELLO, assistant("Wait.", tool_use("a")), user(tool_result("a")), toolConfig=TOOLS),
        NOT_MIXED.format("use"),
        [(NOVA, talk(HELLO, assistant("Wait.", tool_use("a")), user(tool_result("a")), toolConfig=TOOLS))],
    ),
]

LARGE_PDF = b"%PDF-".ljust(4_500_001, b"x")

MEDIA = [
    Example("media", CLAUDE, talk(user("See:", FILM)), FILM_REFUSED, [(NOVA, talk(user("See:", FILM)))]),
    Example("media", CLAUDE, answered(FILM), FILM_REFUSED, [(CLAUDE, answered(image(png())))]),
    Example("media", GPT, talk(user(image(png()))), "This model doesn't support the image", [(LLAMA_4, talk(HELLO))]),
    Example("media", NOVA, talk(user(SOUND)), "This model doesn't support the audio"),
    Example(
        "media",
        PIXTRAL,
        answered(image(png())),
        "This model doesn't support the image",
        [(PIXTRAL, talk(user(image(png())))), (PIXTRAL, answered(document("a"))), (LLAMA_4, answered(image(png())))],
    ),
    Example("media", QWEN, answered(document("a")), "This model doesn't support the document"),
    Example("result-media", NOVA, answered(FILM), MODEL_SAYS + NO_RESULT),
    Example(
        "result-media",
        NOVA,
        answered(document("a", b"%PDF-", "pdf")),
        MODEL_SAYS + NO_RESULT,
        [
            (NOVA, answered(document("a"))),
            (NOVA, answered(image(png()))),
            (CLAUDE, answered(document("a", b"%PDF-", "pdf"))),
        ],
    ),
    Example("result-media", NOVA_2, answered(REMOTE_DOCUMENT), MODEL_SAYS + NO_RESULT),
    Example(
        "remote-media",
        CLAUDE,
        talk(user(REMOTE_IMAGE)),
        "This model doesn't support the s3Uri field. Remove s3Uri and try again.",
        [(NOVA_2, talk(user(REMOTE_IMAGE, REMOTE_DOCUMENT, "See.")))],
    ),
    Example(
        "remote-document",
        CLAUDE,
        talk(user("Read.", REMOTE_DOCUMENT)),
        f"{MODEL_SAYS}messages.0.content.1.document.source.type: Field required",
    ),
    Example(
        "document-size",
        NOVA,
        talk(user("Read.", document("a", b"x" * 4_500_001))),
        "The maximum document size is 4.5 MB. Reduce the size of your document and retry your request.",
        [
            (NOVA, talk(user("Read.", document("a", b"x" * 4_500_000)))),
            (NOVA, talk(user("Read.", document("a", LARGE_PDF, "docx")))),
            (CLAUDE, talk(user("Read.", document("a", LARGE_PDF, "pdf")))),
        ],
    ),
    Example(
        "document-size", CLAUDE, talk(user("Read.", document("a", LARGE_PDF, "docx"))), "The maximum document size"
    ),
    Example("document-size", OLD_CLAUDE, talk(user("Read.", document("a", LARGE_PDF, "pdf"))), "The maximum document"),
    Example(
        "video-size",
        NOVA,
        talk(user({"video": {"format": "mp4", "source": {"bytes": "AAAA" * 8_333_334}}})),
        "The video at messages.0.content.0.video exceeds the maximum of 25000000 bytes.",
        [(NOVA, talk(user({"video": {"format": "mp4", "source": {"bytes": "AAAA" * 8_333_333}}})))],
    ),
    Example(
        "media-count",
        OLD_CLAUDE,
        talk(user("See:", *[image(png())] * 19, document("a"), document("b"))),
        f"{MODEL_SAYS}too many images and documents: 19 + 2 > 20",
        [
            (OLD_CLAUDE, talk(user("See:", *[image(png())] * 18, document("a"), document("b")))),
            (CLAUDE, talk(user(*[image(png())] * 100))),
            (NOVA, talk(user(*[image(png())] * 100))),
        ],
    ),
    Example(
        "media-count",
        CLAUDE,
        talk(user(*[image(png())] * 51), assistant("Well."), user(*[image(png())] * 50)),
        f"{MODEL_SAYS}too many images and documents: 101 + 0 > 100",
    ),
    Example(
        "image-size",
        CLAUDE,
        talk(user(image(THREE_MEBIBYTES.ljust(3_932_161, b"\x00")))),
        f"{MODEL_SAYS}messages.0.content.0.image.source: image exceeds 5 MB maximum: 5242884 bytes > 5242880 bytes",
        [
            (CLAUDE, talk(user(image(THREE_MEBIBYTES.ljust(3_932_160, b"\x00"))))),
            (NOVA, talk(user(image(THREE_MEBIBYTES.ljust(3_932_161, b"\x00"))))),
        ],
    ),
    Example(
        "many-image-pixels",
        CLAUDE,
        talk(user(*[image(png())] * 20, image(jpeg(2001, 10), "jpeg"))),
        f"{MODEL_SAYS}messages.0.content.20.image: At least one of the image dimensions exceed max allowed size for "
        "many-image requests: 2000 pixels",
        [
            (CLAUDE, talk(user(*[image(png())] * 19, image(jpeg(2001, 10), "jpeg")))),
            (CLAUDE, talk(user(*[image(png())] * 20, image(jpeg(2000, 10), "jpeg")))),
        ],
    ),
    Example(
        "pdf-bytes",
        CLAUDE,
        talk(user("Read.", document("a", b64encode(b"%PDF-1.7 and more"), "pdf"))),
        f"{MODEL_SAYS}messages.0.content.1.document.source.bytes: The PDF specified was not valid.",
        [(CLAUDE, talk(user("Read.", document("a", b"%PDF-1.7 and more", "pdf"))))],
    ),
    Example(
        "assistant-media",
        CLAUDE,
        talk(HELLO, assistant("See:", image(png())), HELLO),
        f"{MODEL_SAYS}messages.1.content: 'image' blocks are not permitted within assistant turns.",
        [(NOVA, talk(HELLO, assistant("See:", image(png())), HELLO))],
    ),
    Example(
        "image-pixels",
        CLAUDE,
        talk(user(image(jpeg(8001, 10), "jpeg"))),
        f"{MODEL_SAYS}messages.0.content.0.image: At least one of the image dimensions exceed max allowed size: 8000",
        [(CLAUDE, talk(user(image(jpeg(8000, 8000), "jpeg"))))],
    ),
]

TOOL_USE = [
    Example(
        "tools",
        LLAMA,
        talk(HELLO, toolConfig=TOOLS),
        "This model doesn't support tool use in streaming mode.",
        [(CLAUDE, talk(HELLO, toolConfig=TOOLS)), (LLAMA, talk(HELLO)), (COMMAND, talk(HELLO, toolConfig=TOOLS))],
        operation="ConverseStream",
    ),
    *(
        Example(
            "tools",
            model,
            talk(HELLO, toolConfig=TOOLS),
            "This model doesn't support tool use in streaming mode.",
            operation="ConverseStream",
        )
        for model in (PIXTRAL, WRITER, DEEPSEEK)
    ),
    Example(
        "tools",
        "amazon.titan-text-express-v1",
        talk(HELLO, toolConfig=TOOLS),
        "This model doesn't support tool use.",
        [(LLAMA, talk(HELLO, toolConfig=TOOLS))],
    ),
    Example("model-tool-choice", LLAMA, choosing("any"), no_choice("any"), [(LLAMA, choosing("auto"))]),
    Example("model-tool-choice", PIXTRAL, choosing("tool"), no_choice("tool"), [(PIXTRAL, choosing("any"))]),
    Example("model-tool-choice", GPT, choosing("auto"), no_choice("auto"), [(GPT, talk(HELLO, toolConfig=TOOLS))]),
    Example("model-tool-choice", QWEN, choosing("any"), no_choice("any"), [(NOVA, choosing("tool"))]),
    Example(
        "result-status",
        WRITER,
        answered(status="success"),
        "This model doesn't support the status field. Remove status and try again.",
        [(WRITER, answered()), (LLAMA, answered(status="success"))],
    ),
]

EXAMPLES: list[Example] = [*REACHING, *TURNS, *MEDIA, *TOOL_USE, *SETTINGS]
