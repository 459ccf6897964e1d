"""What to do about credentials that have ended, by where they come from. Pure.

The places are named as botocore names them: its own word for how it found the keys.
"""

from __future__ import annotations

from typing import Final

__all__ = ["login_command", "remedy"]

_MACHINE: Final = frozenset({"container-role", "iam-role"})


def login_command(profile: str | None, *, tool: str = "sso login") -> str:
    """Return the command that logs a profile in.

    Args:
        profile: The profile; None for the one that needs no name.
        tool: `"sso login"` for IAM Identity Center, `"login"` for a login of the console.
    """
    return f"`aws {tool} --profile {profile}`" if profile else f"`aws {tool}`"


def remedy(method: str, profile: str) -> str:
    """Return how to get fresh keys in place of those that a chain of AWS has found.

    Args:
        method: The place where they were found, as botocore names it.
        profile: The profile in use.
    """
    if method == "env":
        return (
            "The keys are those of the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which a running program "
            "cannot renew: start it with fresh ones, or without them and with a profile (AWS_PROFILE)."
        )
    if method in _MACHINE:
        return f"The keys are those of the machine's role ({method}), which renews them itself: check the role."
    keys = f"The keys are those of the profile {profile!r} ({method})"
    if method == "sso":
        return f"{keys}: run {login_command(profile)}."
    if method == "login":
        return f"{keys}: run {login_command(profile, tool='login')}."
    return (
        f"{keys}: renew them with what made them, with IAM Identity Center by {login_command(profile)}; the next "
        "request finds them without a restart."
    )
