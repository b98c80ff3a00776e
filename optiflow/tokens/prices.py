"""What tokens cost."""

from __future__ import annotations

__all__ = ["price_usd"]


def price_usd(model_name: str, prompt_tokens: int, completion_tokens: int) -> float | None:
    """The list price of one request in US dollars, from the data that the library ``genai-prices`` ships.

    Args:
        model_name: The provider's name of the model.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.

    Returns:
        None where the price is not known, or the library is not installed (``pip install 'optiflow[providers]'``).
    """
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError:
        return None
    usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    try:
        return float(calc_price(usage, model_name).total_price)
    except LookupError:
        return None
