"""The command line: what it takes, and what it refuses before anything is asked."""

from typing import get_args

import pytest

from chatport import CacheChoice, ReasoningLevel
from chatport.cli._arguments import CACHE_CHOICES, REASONING_LEVELS
from chatport.cli._commands import (
    AskCommand,
    BackendsCommand,
    DemoCommand,
    DoctorCommand,
    HelpCommand,
    ModelsCommand,
    VersionCommand,
)
from chatport.cli._errors import UsageError
from chatport.cli._parser import help_text, parse_arguments


def test_words_are_joined_and_options_may_stand_between_them() -> None:
    """`chatport What is -a cat.png this?` asks "What is this?" with an attachment."""
    command = parse_arguments(["What", "is", "-a", "cat.png", "this?", "-a", "-", "-m", "b:m"])
    assert command == AskCommand(prompt="What is this?", attachments=("cat.png", "-"), model="b:m")


def test_everything_that_can_be_said() -> None:
    """Each option arrives under its own name and with its own type."""
    command = parse_arguments(
        [
            *("-s", "Be brief.", "--max-tokens", "0", "--temperature", "0", "--top-p", "0.5", "--top-k", "7"),
            *("--stop", "END", "--stop", "FIN", "--strict", "--no-stream", "--usage", "--json", "--debug", "hi"),
            *("--reasoning", "high", "--cache", "1h", "--attempts", "1", "--timeout", "2.5"),
        ]
    )
    assert command == AskCommand(
        prompt="hi",
        system="Be brief.",
        settings={
            "max_tokens": 0,
            "temperature": 0.0,
            "top_p": 0.5,
            "top_k": 7,
            "stop_sequences": ["END", "FIN"],
            "reasoning": "high",
            "cache": "1h",
        },
        attempts=1,
        timeout=2.5,
        strict=True,
        streaming=False,
        usage=True,
        json=True,
        debug=True,
    )


def test_what_is_not_set_is_not_there() -> None:
    """A setting that nobody gave is absent, so that it is not sent."""
    command = parse_arguments(["hi"])
    assert isinstance(command, AskCommand)
    assert command.settings == {}


def test_the_words_of_settings_are_those_of_the_library() -> None:
    """The command knows every level and life that `Settings` takes, without importing it."""
    assert get_args(ReasoningLevel) == REASONING_LEVELS
    assert get_args(CacheChoice) == CACHE_CHOICES


def test_reasoning_is_a_level_or_a_number_of_tokens() -> None:
    """Whole numbers from 1 are budgets; what is neither is refused with the levels there are."""
    command = parse_arguments(["--reasoning", "2048", "hi"])
    assert isinstance(command, AskCommand)
    assert command.settings == {"reasoning": 2048}
    for text in ("0", "-1", "1.5", "much", "True"):
        with pytest.raises(UsageError, match="none of off, minimal, low, medium, high, xhigh, max"):
            parse_arguments([f"--reasoning={text}", "hi"])
    with pytest.raises(UsageError, match="invalid choice: '2d'"):
        parse_arguments(["--cache", "2d", "hi"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=true", True),
        ("x=false", False),
        ("x=True", "True"),
        ("x=12", 12),
        ("x=-3", -3),
        ("x=0", 0),
        ("x=007", "007"),
        ("x=1.5", "1.5"),
        ("x=", ""),
        ("x=a=b", "a=b"),
        ("x=eu-west-1", "eu-west-1"),
        ('x="true"', "true"),
        ('x={"https": "http://localhost:1"}', {"https": "http://localhost:1"}),
        ("x=[1, 2]", [1, 2]),
    ],
)
def test_options_of_a_backend_are_typed(text: str, value: object) -> None:
    """true, false and whole numbers are such, what begins like JSON is JSON, and the rest is text."""
    command = parse_arguments(["-o", text, "hi"])
    assert isinstance(command, AskCommand)
    assert command.options == {"x": value}
    assert type(command.options["x"]) is type(value)


def test_a_secret_in_a_wrong_option_is_not_repeated() -> None:
    """An option without `=` or with broken JSON is refused without its text."""
    for text in ("hunter2", "key={hunter2", "api-key=hunter2"):
        with pytest.raises(UsageError) as caught:
            parse_arguments(["-o", text, "hi"])
        assert "hunter2" not in str(caught.value)


def test_an_option_given_twice_is_refused() -> None:
    """Which of two values is meant is for nobody to guess."""
    with pytest.raises(UsageError, match="'region' is given twice"):
        parse_arguments(["-o", "region=a", "-o", "region=b", "hi"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--unknown", "hi"],
        ["--max", "3", "hi"],  # no shortened names: a new option would change what they mean
        ["--max-tokens", "many", "hi"],
        ["--max-tokens", "1.5", "hi"],
        ["--attempts", "0", "hi"],
        ["--timeout", "0", "hi"],
        ["--timeout", "soon", "hi"],
        ["--temperature", "nan", "hi"],
        ["--temperature", "warm", "hi"],
        ["-m"],
        ["backends", "echo"],
        ["backends", "-m", "a:b"],
        ["demo", "me"],
    ],
    ids=" ".join,
)
def test_nonsense_is_a_usage_error_with_a_hint(arguments: list[str]) -> None:
    """Nothing is guessed, and the hint says where to read on."""
    with pytest.raises(UsageError) as caught:
        parse_arguments(arguments)
    assert caught.value.hint is not None
    assert "--help" in caught.value.hint


def test_commands_win_where_they_come_first() -> None:
    """`chatport backends` and `chatport demo` are commands, with options of their own."""
    assert parse_arguments(["backends"]) == BackendsCommand()
    assert parse_arguments(["backends", "--json", "--debug"]) == BackendsCommand(json=True, debug=True)
    assert parse_arguments(["demo"]) == DemoCommand()
    assert parse_arguments(["demo", "-m", "a:b", "-o", "x=1"]) == DemoCommand(model="a:b", options={"x": 1})


@pytest.mark.parametrize("word", ["backends", "demo"])
def test_two_hyphens_make_a_prompt_of_anything(word: str) -> None:
    """What stands behind `--` is asked as it stands, and options before it hold."""
    assert parse_arguments(["--", word]) == AskCommand(prompt=word)
    assert parse_arguments(["-m", "a:b", "--", word, "--json"]) == AskCommand(prompt=f"{word} --json", model="a:b")


@pytest.mark.parametrize("prompt", ["demo of a prompt", "Backends", "tell me of backends"])
def test_sentences_with_these_words_are_prompts(prompt: str) -> None:
    """Only the very word is a command, not a sentence that begins with it."""
    assert parse_arguments([prompt]) == AskCommand(prompt=prompt)


def test_a_command_behind_options_is_asked_back() -> None:
    """`chatport -m a:b demo` may be meant either way, and the wrong guess may cost money."""
    with pytest.raises(UsageError, match="only where it comes first") as caught:
        parse_arguments(["-m", "a:b", "demo"])
    assert caught.value.hint == "write `chatport demo …`, or `chatport … -- demo` to ask it as a prompt"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["backends", "-h"], ["demo", "--help"]], ids=" ".join)
def test_help_says_how_to_use_each_command(arguments: list[str]) -> None:
    """Each command has a help, which names the command."""
    command = parse_arguments(arguments)
    assert isinstance(command, HelpCommand)
    name = " ".join(["chatport", *arguments[:-1]])
    assert command.text.startswith(f"usage: {name}")


def test_version_and_help_of_the_command() -> None:
    """The version is asked for by its option; the help lists the commands."""
    assert parse_arguments(["--version"]) == VersionCommand()
    assert "chatport backends" in help_text()
    assert "chatport demo" in help_text()


def test_models_and_doctor() -> None:
    """Both take a backend or none, its options and a form; each its own besides."""
    assert parse_arguments(["models"]) == ModelsCommand()
    words = [
        "models",
        "b",
        "-o",
        "x=1",
        "--output",
        "text",
        "--input",
        "image",
        "--status",
        "active",
        "--provider",
        "P",
    ]
    assert parse_arguments([*words, "--json", "--debug"]) == ModelsCommand(
        backend="b",
        options={"x": 1},
        filters={"output": "text", "input": "image", "status": "active", "provider": "P"},
        json=True,
        debug=True,
    )
    assert parse_arguments(["doctor"]) == DoctorCommand()
    assert parse_arguments(["doctor", "b", "--no-probe", "--json", "-o", "x=y"]) == DoctorCommand(
        backend="b", options={"x": "y"}, probe=False, json=True
    )
    for name in ("models", "doctor"):
        command = parse_arguments([name, "--help"])
        assert isinstance(command, HelpCommand)
        assert f"chatport {name}" in command.text
        with pytest.raises(UsageError, match="does not take"):
            parse_arguments([name, "b", "c"])
        assert parse_arguments(["--", name]) == AskCommand(prompt=name)
