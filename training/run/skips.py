"""Iterations whose loss or gradient is no number: they change nothing, and a few are borne."""

from math import isfinite

from training.run.state import State

# More of them in a row, or among the last WINDOW iterations, end the run. With float16 the scaler begins too high.
MOST_IN_A_ROW, MOST_IN_A_ROW_SCALED = 5, 20
WINDOW, MOST_IN_WINDOW = 100, 25


def skip(state: State, loss: float, norm: float) -> str | None:
    """Note an iteration that changed nothing; which of the two was no number. None where the gradient's norm is one."""
    if isfinite(norm):
        return None
    what = "gradient" if isfinite(loss) else "loss"
    state.skipped.append((state.iteration, what))
    return what


def is_usual(state: State, what: str) -> bool:
    """With scaled losses (float16), gradients are now and then infinite."""
    return state.scaler.is_enabled() and what == "gradient"


def too_many(state: State) -> str | None:
    """In words how many were left out, where these are too many; else None."""
    in_a_row = 0
    for iteration, _ in reversed(state.skipped):
        if iteration != state.iteration - in_a_row:
            break
        in_a_row += 1
    lately = [what for iteration, what in state.skipped[-WINDOW:] if iteration > state.iteration - WINDOW]
    if in_a_row > (MOST_IN_A_ROW_SCALED if state.scaler.is_enabled() else MOST_IN_A_ROW):
        what, words = lately[-in_a_row:], "in a row"
    elif len(lately) > MOST_IN_WINDOW:
        what, words = lately, f"of the last {WINDOW}"
    else:
        return None
    counts = f"loss {what.count('loss')}, gradient {what.count('gradient')}"
    return f"{len(what)} iterations {words} left out ({counts})"
