from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport._docstrings import Docstring, parse_docstring

GOOGLE = """Get the current weather in a location.

    Temperatures are measured,
    not forecast.

    Args:
        location: The city and state, e.g. San Francisco, CA
        unit (Literal["celsius", "fahrenheit"], optional): What to measure in: degrees
            of one kind or
            the other.

            Defaults to fahrenheit.
        days (tuple[int, ...]):
            Which days:
            - today is 0
            - tomorrow is 1
              (the day after today)
        *names: More places.
        **extra: Anything else.
        silent:

    Returns:
        unrelated: A dict.

    Raises:
        ValueError: No such place.
    """

NUMPY = """Get the current weather.

    Parameters
    ----------
    location : str
        The city and state.

        Second paragraph.
    low, high : float, optional
        The limits.
    *names
        More places.
    unit: {'celsius', 'fahrenheit'}
        What to measure in.
    nothing : int

    Other Parameters
    ----------------
    rare : int
        Hardly used.

    Returns
    -------
    result : dict
        Not a parameter.
    """

REST = """Get the current weather.

    More text.

    :param location: The city
        and state.
    :param dict[str, int] limits: The limits.
    :type location: str
    :keyword unit: What to measure in.
    :param \\*\\*extra: Anything else.
    :param: nobody
    :returns: A dict.
    :raises ValueError: No such place.
    """


def test_google() -> None:
    """Types, wrapped lines, paragraphs, lists and stars are read; results and errors are no parameters."""
    found = parse_docstring(GOOGLE)
    assert found.description == "Get the current weather in a location.\n\nTemperatures are measured,\nnot forecast."
    assert found.parameters == {
        "location": "The city and state, e.g. San Francisco, CA",
        "unit": "What to measure in: degrees of one kind or the other.\n\nDefaults to fahrenheit.",
        "days": "Which days:\n- today is 0\n- tomorrow is 1 (the day after today)",
        "names": "More places.",
        "extra": "Anything else.",
    }


def test_numpy() -> None:
    """Several names in one entry share the text; sections without parameters are left alone."""
    found = parse_docstring(NUMPY)
    assert found.description == "Get the current weather."
    assert found.parameters == {
        "location": "The city and state.\n\nSecond paragraph.",
        "low": "The limits.",
        "high": "The limits.",
        "names": "More places.",
        "unit": "What to measure in.",
        "rare": "Hardly used.",
    }


def test_rest() -> None:
    """A type before the name is skipped, continuation lines are joined, other fields are no parameters."""
    found = parse_docstring(REST)
    assert found.description == "Get the current weather.\n\nMore text."
    assert found.parameters == {
        "location": "The city and state.",
        "limits": "The limits.",
        "unit": "What to measure in.",
        "extra": "Anything else.",
    }


@pytest.mark.parametrize("text", [None, "", "   \n  \n"], ids=["none", "empty", "blank"])
def test_nothing_said(text: str | None) -> None:
    """No docstring says nothing."""
    assert parse_docstring(text) == Docstring()


@pytest.mark.parametrize(
    "text",
    [
        "Note: this is a sentence.\n\nAnd more.",
        "Convert it.\n\nNote:\nnot indented, so it is text.",
        "Convert: a\nto: b",
        "Sum of\n\nParameters and numbers.",
        "Use :class:`str` only.\n:ref: nothing",
        "What are Args?\n\nThis:\n\n    Args:\n        x: an example inside an indented block",
    ],
    ids=["note", "unindented", "colons", "word", "role", "indented"],
)
def test_text_that_only_looks_like_a_section(text: str) -> None:
    """Text stays in the description unless a section really begins."""
    assert parse_docstring(text) == Docstring(text)


def test_no_text_before_the_sections() -> None:
    """A docstring may begin with its parameters."""
    assert parse_docstring("\n    Args:\n        x: The x.\n    ") == Docstring("", {"x": "The x."})


def test_text_after_a_section_belongs_to_nobody() -> None:
    """What comes at the margin after the parameters is neither a parameter's text nor the description."""
    found = parse_docstring("Do it.\n\nArgs:\n    x: The x.\n\nafter: all of it.\n")
    assert found == Docstring("Do it.", {"x": "The x."})
    found = parse_docstring("Do it.\n\n:param x: The x.\n\nafter: all of it.\n")
    assert found == Docstring("Do it.", {"x": "The x."})


def test_a_line_at_the_margin_of_an_entry_continues_it() -> None:
    """People forget to indent the second line; it is kept with the parameter."""
    found = parse_docstring("Do it.\n\nArgs:\n    x: The x,\n    in metres\n    y: The y.")
    assert found.parameters == {"x": "The x, in metres", "y": "The y."}


def test_mixed_styles() -> None:
    """A docstring that mixes styles is read all the same; what is said first of a parameter counts."""
    text = (
        "Do it.\n\nArgs:\n    x: The x.\n\nParameters\n----------\ny : int\n    The y.\nx : int\n    Again.\n\n"
        ":param z: The z."
    )
    assert parse_docstring(text) == Docstring("Do it.", {"x": "The x.", "y": "The y.", "z": "The z."})


@given(
    st.lists(
        st.sampled_from(
            ["Args:", "Parameters", "-----", ":param x: t", ":param", "    x: text", "x : int", "", "    ", "a", "::"]
        )
        | st.text(max_size=20)
    ).map("\n".join)
)
def test_any_text_is_read(text: str) -> None:
    """No text raises; names are single words, nothing said is blank, and the description is the text's beginning."""
    found = parse_docstring(text)
    for name, said in found.parameters.items():
        assert name
        assert not any(character.isspace() for character in name)
        assert said == said.strip() != ""
    first_lines = found.description.splitlines()
    assert [line.strip() for line in first_lines if line.strip()] == [
        line.strip() for line in text.expandtabs().splitlines() if line.strip()
    ][: sum(1 for line in first_lines if line.strip())]
