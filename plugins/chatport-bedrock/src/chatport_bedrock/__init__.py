"""Amazon Bedrock's Converse API for chatport."""
