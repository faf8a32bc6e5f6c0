"""How long a request waits for a device that serves one at a time: M/D/1.

Ref: The Theory of Probabilities and Telephone Conversations (Poisson arrivals, constant service)
Document: A. K. Erlang, 1909; the tail: Feller, Introduction to Probability Theory II, XI.7

Requests arrive independently of each other (Poisson), every service takes the same time, and the
queue has no end. Periodic arrivals wait less, bursts wait longer.
"""

from __future__ import annotations

import math

_EXACT_SERVICES = 10
"""Beyond so many services the sum cancels too many digits, and the tail is exponential anyway."""
_STEPS = 200


def md1_mean(utilisation: float) -> float:
    """Return the mean wait in units of a service: Pollaczek and Khinchine's formula.

    Raises:
        ValueError: the utilisation is not in [0, 1).
    """
    _check(utilisation)
    return utilisation / (2 * (1 - utilisation))


def md1_quantile(utilisation: float, share: float) -> float:
    """Return the wait, in units of a service, that a share of the requests does not exceed.

    Args:
        utilisation: arrivals a service, in [0, 1).
        share: of the requests, in (0, 1): 0.99 for the 99th percentile.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check(utilisation)
    if not 0 < share < 1:
        raise ValueError(f"a share of {share}, expected more than 0 and less than 1")
    if share <= 1 - utilisation:
        return 0.0
    low, high = 0.0, 1.0
    while md1_longer(utilisation, high) > 1 - share:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if md1_longer(utilisation, middle) > 1 - share else (low, middle)
    return high


def md1_longer(utilisation: float, wait: float) -> float:
    """Return the share of requests that wait longer than `wait` services.

    Raises:
        ValueError: the utilisation is not in [0, 1).
    """
    _check(utilisation)
    if not utilisation:
        return 0.0
    if wait > _EXACT_SERVICES:
        rate = _decay(utilisation)
        scale = (1 - utilisation) / (utilisation * math.exp(rate) - 1)
        return scale * math.exp(-rate * wait)
    terms = (
        (-utilisation * (wait - k)) ** k / math.factorial(k) * math.exp(utilisation * (wait - k))
        for k in range(math.floor(wait) + 1)
    )
    return 1 - (1 - utilisation) * math.fsum(terms)


def _decay(utilisation: float) -> float:
    """Return the positive root r of `utilisation * (exp(r) - 1) = r`."""
    # The function dips below zero from r = 0 to its minimum at -log(utilisation), then rises.
    low = high = -math.log(utilisation)
    while utilisation * math.expm1(high) < high:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if utilisation * math.expm1(middle) < middle else (low, middle)
    return high


def _check(utilisation: float) -> None:
    if not 0 <= utilisation < 1:
        raise ValueError(f"a utilisation of {utilisation}, expected at least 0 and less than 1")
