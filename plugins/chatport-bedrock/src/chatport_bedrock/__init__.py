"""Amazon Bedrock's Converse API for chatport: what only Bedrock has, typed.

The backend itself is asked for by name, `open_session("bedrock:…")`. Importing this loads nothing of AWS.
"""

from chatport.backend import Load
from chatport_bedrock._aws_credentials import AwsCredentials
from chatport_bedrock._facts import Answered, GuardrailFacts, ResponseFacts, response_facts
from chatport_bedrock._request_options import (
    BedrockOptions,
    Guardrail,
    GuardrailTrace,
    Latency,
    ServiceTier,
    StreamMode,
)
from chatport_bedrock._typed_blocks import (
    GuardQualifier,
    guard_content,
    search_result,
    text_document,
    tool_addition,
    tool_removal,
    with_bucket_owner,
)

__all__ = [
    "Answered",
    "AwsCredentials",
    "BedrockOptions",
    "GuardQualifier",
    "Guardrail",
    "GuardrailFacts",
    "GuardrailTrace",
    "Latency",
    "Load",
    "ResponseFacts",
    "ServiceTier",
    "StreamMode",
    "guard_content",
    "response_facts",
    "search_result",
    "text_document",
    "tool_addition",
    "tool_removal",
    "with_bucket_owner",
]
