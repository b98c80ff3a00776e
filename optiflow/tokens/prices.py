"""What tokens cost."""

from __future__ import annotations

from typing import Any

__all__ = ["price_usd", "priced_tokens"]


def price_usd(model_name: str, prompt_tokens: int, completion_tokens: int, **cached: int) -> float | None:
    """The list price of one request in US dollars, from the data that the library ``genai-prices`` ships.

    Args:
        model_name: The provider's name of the model.
        prompt_tokens: Tokens read, cached ones included.
        completion_tokens: Tokens written.
        **cached: Of the prompt's tokens, those that the provider's prompt cache had or took: ``read`` from it,
            ``write`` to it altogether, and of these ``write_5m`` and ``write_1h`` to be kept so long.

    Returns:
        None where the price is not known, or the library is not installed (``pip install 'optiflow[providers]'``).
    """
    found = _calculated(model_name, prompt_tokens, completion_tokens, **cached)
    return None if found is None else float(found.total_price)


def priced_tokens(model_name: str, prompt_tokens: int, completion_tokens: int, **cached: int) -> float | None:
    """The tokens of one request, those of the prompt weighted by what they cost.

    A token that is read from the provider's prompt cache counts as its price over that of the same model's token of
    a prompt that is not cached, and so does one that is written to it; every other token counts as one.

    Args:
        model_name: The provider's name of the model.
        prompt_tokens: Tokens read, cached ones included.
        completion_tokens: Tokens written.
        **cached: As in `price_usd`.

    Returns:
        None where the price is not known, or the library is not installed.
    """
    cost = _calculated(model_name, prompt_tokens, 0, **cached)
    uncached = _calculated(model_name, prompt_tokens, 0)
    if cost is None or uncached is None:
        return None
    weight = float(cost.input_price / uncached.input_price) if uncached.input_price else 1.0
    return prompt_tokens * weight + completion_tokens


def _calculated(
    name: str, prompt: int, completion: int, *, read: int = 0, write: int = 0, write_5m: int = 0, write_1h: int = 0
) -> Any:
    if read + write > prompt or write_5m + write_1h > write:
        # What does not add up has no price that could be known.
        return None
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError:
        return None
    kinds = {
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_5m_tokens": write_5m,
        "cache_write_1h_tokens": write_1h,
    }
    reported = {name: tokens for name, tokens in kinds.items() if tokens}
    usage = Usage(input_tokens=prompt, output_tokens=completion, **reported)
    try:
        return calc_price(usage, name)
    except LookupError:
        return None
