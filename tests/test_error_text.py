"""What a service says of a failure is shown as one line, of a bounded length, without secrets."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend.http import MAX_ERROR_BYTES, ErrorText, as_sentence, error_code

PLAIN = ErrorText()
CAREFUL = ErrorText([(r"\btoken\s*[:=]\s*\S{8,}", "token: [cut]"), (r"\bafter this everything.*", "[cut]")])


@given(st.text(max_size=300) | st.text("\x00\x1b\r\n\t \u2028x", max_size=60))
def test_whatever_comes_is_one_line_of_bounded_length(text: str) -> None:
    """No line break, nothing that a terminal takes for a command, no blank at the ends."""
    line = PLAIN.one_line(text, limit=40)
    assert line.isprintable() or not any(character < " " or "\x7f" <= character <= "\x9f" for character in line)
    assert line == line.strip()
    assert len(line.splitlines()) <= 1
    assert len(line) <= 40


def test_what_is_short_is_shown_as_it_is() -> None:
    """Only blanks are put together; what is cut ends with a mark."""
    assert PLAIN.one_line("  The model\r\n\r\n\tis not ready. ") == "The model is not ready."
    assert PLAIN.one_line("word " * 400, limit=12) == "word word w…"
    assert PLAIN.one_line("word " * 400, limit=11) == "word word…"
    assert len(PLAIN.one_line("word " * 400)) <= 1000


def test_secrets_are_cut_in_any_case_and_across_lines() -> None:
    """The patterns of the backend see the text as one line."""
    assert CAREFUL.one_line("refused: TOKEN\n=\n  abcdefgh12 is old") == "refused: token: [cut] is old"
    assert CAREFUL.one_line("first\nafter this\neverything\nis quoted\nand more") == "first [cut]"
    assert CAREFUL.one_line("the token is old") == "the token is old"


def test_long_runs_are_cut_without_being_asked_for() -> None:
    """Nothing that people read is as long; what is shorter stays."""
    assert PLAIN.one_line(f"key {'aB3+/=_-' * 15} refused") == "key [cut] refused"
    assert PLAIN.one_line(f"key {'a' * 119} refused") == f"key {'a' * 119} refused"


def test_words_of_a_page_are_what_people_read() -> None:
    """Tags, scripts, styles and comments are left out, closed or not; what is no UTF-8 does no harm."""
    page = b"<!DOCTYPE html><head><style>a {}</style><title>502 Bad Gateway</title></head><!-- x --><p>nginx</p>"
    assert PLAIN.words_of_page(page) == "502 Bad Gateway nginx"
    assert PLAIN.words_of_page(b"Sorry<script>alert(1)") == "Sorry"
    assert PLAIN.words_of_page(b"Sorry<!-- never closed") == "Sorry"
    assert PLAIN.words_of_page(b"\xff\xfe sorry") == "\ufffd\ufffd sorry"
    assert CAREFUL.words_of_page(b"<p>token: abcdefgh12</p>") == "token: [cut]"
    assert len(PLAIN.words_of_page(b"word " * 400)) <= 200


@pytest.mark.parametrize("piece", ["<", "<script", "<!--", " ", "\n", "token:", "a" * 119 + " "])
def test_no_body_takes_long(piece: str) -> None:
    """The largest body that is looked at, of any kind of piece over and over, takes well below a second of work."""
    body = (piece * MAX_ERROR_BYTES).encode()[: 2 * MAX_ERROR_BYTES]
    begun = time.process_time()
    CAREFUL.words_of_page(body)
    CAREFUL.one_line(body.decode())
    assert time.process_time() - begun < 1


def test_a_code_is_letters_digits_and_a_few_marks() -> None:
    """What no code has is left out; where nothing is left, there is none."""
    assert error_code("rate_limit.exceeded-1") == "rate_limit.exceeded-1"
    assert error_code(" bad\ncode\x1b[31m ") == "badcode31m"
    assert error_code("…") is None
    assert error_code("x" * 200) == "x" * 100


@pytest.mark.parametrize(("text", "sentence"), [("", ""), ("no", "no."), ("no.", "no."), ("no!", "no!"), ("n…", "n…")])
def test_a_sentence_ends(text: str, sentence: str) -> None:
    """Another one can follow."""
    assert as_sentence(text) == sentence
