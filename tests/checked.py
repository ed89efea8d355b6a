"""What `conftest` has every function of the package checked by."""

from collections.abc import Callable

from beartype import beartype


def checked(function: Callable) -> Callable:
    """The function with its arguments and result checked, unless it lies in another one.

    Functions in functions are defined anew, and would be analysed anew, at every call: that took
    a fifth of the time of training a small network.
    """
    return function if "<locals>" in function.__qualname__ else beartype(function)
