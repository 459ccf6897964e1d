"""The page on moving a conversation says what happens."""

import pytest
from tests.swap.page import PAGE, page

pytestmark = pytest.mark.anyio


async def test_the_page_is_what_the_matrix_says(anyio_backend_name: str) -> None:
    """On either event loop; where it is out of date, `python -m tests.swap.page` writes it anew."""
    wanted = await page(anyio_backend_name)
    assert PAGE.read_text(encoding="utf-8") == wanted, "python -m tests.swap.page writes the page anew"
