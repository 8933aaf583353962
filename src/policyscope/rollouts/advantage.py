"""Generalised advantage estimates: how much better than expected things went on."""

import numpy as np


def advantages(
    reward: np.ndarray,
    value: np.ndarray,
    next_value: np.ndarray,
    over: np.ndarray,
    gamma: float,
    lam: float,
) -> np.ndarray:
    """Generalised advantage estimates.

    Args:
        reward: (T, B).
        value: (T, B) values of the observations acted on.
        next_value: (T, B) value expected beyond each step: 0 where the episode ended by the rules
            of the task, that of the last observation seen where a time limit cut it.
        over: (T, B) bool, the episode ended with the step: nothing is carried across.
        gamma: discount per step.
        lam: decay per step.

    Returns:
        (T, B) float64.

    Reference: Schulman et al. 2016, equation 16.

    Example:
        >>> one = np.ones((1, 1))
        >>> advantages(one, 0 * one, one, one > 0, 0.5, 0.9)
        array([[1.5]])
    """
    error = reward + gamma * next_value - value
    out = np.zeros_like(error)
    carried = np.zeros(error.shape[1])
    for t in reversed(range(len(error))):
        carried = error[t] + gamma * lam * np.where(over[t], 0.0, carried)
        out[t] = carried
    return out
