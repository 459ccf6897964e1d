"""Whether what a request says about calling tools can be met by the tools on offer."""

from collections.abc import Collection


def check_tool_choice(choice: str | None, names: Collection[str], *, more_tools: bool = False) -> None:
    """Refuse a `tool_choice` that the tools on offer cannot meet: the caller's mistake, before anything is sent.

    Args:
        choice: `ChatRequest.tool_choice`.
        names: The caller's names of the tools on offer, in order.
        more_tools: Whether others are on offer, in the service's own words: then nobody here knows their names.

    Raises:
        ValueError: It names a tool that is not on offer, or asks for a call where there is no tool.
    """
    if more_tools or choice in {None, "auto", "none", *names} or (choice == "any" and names):
        return
    on_offer = f"on offer: {', '.join(names)}" if names else "there are no tools"
    message = f"tool_choice {choice!r} cannot be met: {on_offer}"
    raise ValueError(message)
