"""Ids of models, one for every kind of difference between them, and what families of them can do."""

from typing import Final

from chatport_bedrock._models import Capabilities, capabilities

SAMPLES: Final = [
    *("anthropic.claude-v2:1", "anthropic.claude-instant-v1", "anthropic.claude-3-haiku-20240307-v1:0"),
    *("anthropic.claude-3-5-sonnet-20240620-v1:0", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
    *("anthropic.claude-3-5-haiku-20241022-v1:0", "anthropic.claude-3-7-sonnet-20250219-v1:0"),
    *("anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-opus-4-1-20250805-v1:0"),
    *("anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    *("anthropic.claude-sonnet-4-6", "anthropic.claude-opus-4-6-v1", "anthropic.claude-opus-4-7"),
    *("anthropic.claude-opus-4-8", "anthropic.claude-sonnet-5", "anthropic.claude-opus-5", "anthropic.claude-fable-5"),
    *("anthropic.claude-fable-5-1", "anthropic.claude-mythos-5", "anthropic.claude-opus-5-5"),
    *("anthropic.claude-sonnet-5-5", "anthropic.claude-haiku-5-5", "anthropic.claude-opus-6", "anthropic.claude:1"),
    *("amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0", "amazon.nova-premier-v1:0", "amazon.nova-2-lite-v1:0"),
    *("amazon.titan-text-express-v1", "meta.llama2-70b-chat-v1", "meta.llama3-8b-instruct-v1:0"),
    *("meta.llama3-1-8b-instruct-v1:0", "meta.llama3-2-1b-instruct-v1:0", "meta.llama3-2-90b-instruct-v1:0"),
    *("meta.llama3-3-70b-instruct-v1:0", "meta.llama4-scout-17b-instruct-v1:0", "mistral.mistral-7b-instruct-v0:2"),
    *("mistral.mixtral-8x7b-instruct-v0:1", "mistral.mistral-large-2407-v1:0", "mistral.pixtral-large-2502-v1:0"),
    *("mistral.mistral-large-3-675b-instruct", "mistral.ministral-3-14b-instruct", "mistral.devstral-2-123b"),
    *("writer.palmyra-x5-v1:0", "cohere.command-text-v14", "cohere.command-r-plus-v1:0", "ai21.j2-ultra-v1"),
    *("ai21.jamba-instruct-v1:0", "ai21.jamba-1-5-large-v1:0", "deepseek.r1-v1:0", "deepseek.v3-v1:0"),
    *("deepseek.v3.2", "deepseek.v4", "google.gemma-3-27b-it", "moonshot.kimi-k2-thinking", "moonshotai.kimi-k2.5"),
    *("minimax.minimax-m2", "nvidia.nemotron-nano-12b-v2", "openai.gpt-oss-120b-1:0", "openai.gpt-5.6-sol"),
    *("openai.gpt-6-astra", "qwen.qwen3-32b-v1:0", "qwen.qwen3-coder-30b-a3b-v1:0", "xai.grok-4-6", "zai.glm-4.7"),
    *("zai.glm-5.3", "newcomer.model-1.5-v1:0"),
]


def family(*beginnings: str) -> list[Capabilities]:
    """What the samples with these beginnings can do; every beginning has some."""
    found = {beginning: [s for s in SAMPLES if s.startswith(beginning)] for beginning in beginnings}
    assert all(found.values()), found
    return [capabilities(sample) for samples in found.values() for sample in samples]
