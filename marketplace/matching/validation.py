"""Checks of what callers give: every refusal is a ValueError that names the argument."""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Above this a weight in units of 1e-9 would not leave room for sums in 64 bits.
WEIGHT_MAX = 1e6
_Number = TypeVar("_Number", bound=np.generic)
_Other = TypeVar("_Other", bound=np.generic)


def integers(name: str, values: ArrayLike, *, low: int | None = None, high: int | None = None) -> IntArray:
    """Return `values` as a 1-D int64 array with low ≤ value < high: the same where it is one already."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold integers, not {array.dtype}")
    array = _as_compiled(array, np.int64)
    if low is not None and array.size and array.min() < low:
        raise ValueError(f"{name} must be at least {low}, not {array.min()}")
    if high is not None and array.size and array.max() >= high:
        raise ValueError(f"{name} must be below {high}, not {array.max()}")
    return array


def count(name: str, value: int) -> int:
    """Return `value`, a whole number from 0."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 0:
        raise ValueError(f"{name} must be a whole number from 0, not {value!r}")
    return int(value)


def weights(name: str, values: ArrayLike) -> FloatArray:
    """Return `values` as a 1-D float array of positive finite numbers up to WEIGHT_MAX: see integers()."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if array.size and array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold numbers, not {array.dtype}")
    array = _as_compiled(array, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite: no NaN, no infinity")
    if array.size and array.min() <= 0:
        raise ValueError(f"{name} must be positive, not {array.min()}")
    if array.size and array.max() > WEIGHT_MAX:
        raise ValueError(f"{name} must be at most {WEIGHT_MAX:g}, not {array.max()}")
    return array


def same_length(**arrays: NDArray[_Number]) -> None:
    """Refuse arrays whose lengths differ."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "lengths differ: " + ", ".join(f"{name} {length}" for name, length in lengths.items())
        )


def _as_compiled(array: NDArray[_Number], dtype: type[_Other]) -> NDArray[_Other]:
    """Return the array as compiled code takes it; what is so already is not copied."""
    return np.require(array, dtype, ("C_CONTIGUOUS", "ALIGNED", "WRITEABLE", "ENSUREARRAY"))
