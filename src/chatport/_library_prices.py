"""Prices from the library `genai-prices`, which is optional. It brings its table along and asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from chatport._cost import Cost
from chatport._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatport._events import Usage


class LibraryPrices:
    """What answers cost by the price table of the library `genai-prices`, in US dollars.

    It needs the extra `cost`. The table is as old as the installed version of the library; nothing is fetched, unless
    the program uses the library's own `UpdatePrices`. Taken are the list prices of on-demand inference, for the model
    id as it stands: one that names a region group, or all of the world, has the price of that.

    Make one when the program starts: the table takes about half a second of CPU time to load.
    """

    def __init__(self, providers: Mapping[str, str] | None = None, *, cached_for: Literal["5m", "1h"] = "5m") -> None:
        """Load the table.

        Args:
            providers: Which of the library's providers a backend's name means, where the library does not know the name
                itself, such as `{"our-gateway": "aws"}`.
            cached_for: How long caches are kept that the program writes, which has a price where a service has several.
                `Usage` does not say it.

        Raises:
            ConfigurationError: The extra `cost` is not installed.
        """
        try:
            import genai_prices  # noqa: PLC0415 - an extra
            from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above
        except ImportError as error:
            message = "prices need the package genai-prices: pip install 'chatport[cost]'"
            raise ConfigurationError(message) from error
        self._library = genai_prices
        self._providers = dict(providers or {})
        self._hour = cached_for == "1h"
        get_snapshot()  # so that no turn waits for the table

    def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
        """See `Prices.cost`. A figure that does not add up, and a model without a price, cost what nobody knows."""
        if usage.input_tokens is None or usage.output_tokens is None:
            return Cost.unknown(f"{backend}:{model} has not reported how many tokens it took")
        counts = {
            name: count
            for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
            if (count := getattr(usage, name)) is not None
        }
        if self._hour and usage.cache_write_tokens is not None:
            counts["cache_write_1h_tokens"] = usage.cache_write_tokens
        try:
            price = self._library.calc_price(
                self._library.Usage(**counts), model, provider_id=self._providers.get(backend, backend)
            )
        except LookupError:
            return Cost.unknown(f"no price is known for {backend}:{model}")
        except ValueError as error:
            return Cost.unknown(f"the tokens of {backend}:{model} do not add up: {error}")
        if price.model_price.input_mtok is None or price.model_price.output_mtok is None:
            # What has no price is left out of the sum, which would make it free.
            return Cost.unknown(f"no price for each token is known for {backend}:{model}")
        reasons = () if usage.complete else (f"{backend}:{model} has not reported all that it took",)
        return Cost(price.total_price, complete=usage.complete, reasons=reasons)
