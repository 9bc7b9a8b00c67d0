"""A strategy on forecasts: buy a likely rise in a rising market, leave when a fall is likelier."""

from engine.strategies import Columns, Wishes, above, strategy


@strategy(lookback=1, features={"slow": ("ema", "length")}, forecasts=True)
def my_forecasts(bars: Columns, length: int = 200) -> Wishes:
    return Wishes(
        enter=above(bars["p_up"], bars["p_down"]) & above(bars.close, bars["slow"]),
        leave=above(bars["p_down"], bars["p_up"]),
        confidence=bars["p_up"],
        numbers={f"EMA{length}": bars["slow"], "p_up": bars["p_up"]},
        because_enter=f"the model expects a rise, and the price is above EMA{length}",
        because_leave="the model expects a fall",
        because_idle=f"no rise is expected, or the price is below EMA{length}",
    )
