"""The door: which room serves which arrays, and what it refuses."""

from typing import Any

import array_api_strict
import jax.numpy as jnp
import mparray
import numpy as np
import pytest
import sparse
import tensorflow as tf
import torch

from unikl import kl_divergence
from unikl.backends import get_backend

MAKE: dict[str, Any] = {
    "numpy": np.asarray,
    "torch": torch.tensor,
    "jax": jnp.asarray,
    "tensorflow": tf.constant,
    "generic(array_api_strict)": array_api_strict.asarray,
    "generic(mparray)": mparray.asarray,
    "generic(sparse)": lambda x: sparse.COO.from_numpy(np.asarray(x)),
}


@pytest.mark.filterwarnings("ignore:.*encountered in divide:RuntimeWarning")  # in sparse
@pytest.mark.parametrize("name", MAKE)
def test_each_library_has_its_room(name: str) -> None:
    x = MAKE[name]([0.25, 0.75])
    room: Any = get_backend(x, [0.5, 0.5], None)
    assert room.__name__ == f"unikl.backends.{name}"
    assert isinstance(kl_divergence(x, [0.5, 0.5] if name != "generic(sparse)" else x), type(x))


@pytest.mark.parametrize(
    ("x", "name"),
    [
        (torch.nn.Parameter(torch.ones(2)), "torch"),
        (torch.ones(2).as_subclass(type("Sub", (torch.Tensor,), {})), "torch"),
        (tf.Variable([0.5, 0.5]), "tensorflow"),
        (np.float32(1), "numpy"),
        ([0.5, 0.5], "numpy"),
    ],
)
def test_relatives_of_arrays(x: Any, name: str) -> None:
    room: Any = get_backend(x)
    assert room.__name__ == f"unikl.backends.{name}"


def test_two_libraries_are_named_in_the_error() -> None:
    with pytest.raises(TypeError, match=r"numpy.ndarray and torch.Tensor; convert one"):
        kl_divergence(np.ones(2), torch.ones(2), given="counts")
    with pytest.raises(TypeError, match=r"torch.Tensor and numpy.ndarray"):
        kl_divergence(torch.ones(2), torch.ones(2), given="counts", where=np.array([True, True]))


def test_sixty_digits_through_an_arbitrary_precision_library() -> None:
    with mparray.mp.workdps(60):
        p, q = mparray.asarray([0.5, 0.25, 0.25]), mparray.asarray([0.25, 0.5, 0.25])
        exact = mparray.mp.log(2) / 4
        assert abs(kl_divergence(p, q)._data[()] - exact) < mparray.mp.mpf(10) ** -58


@pytest.mark.parametrize("library", ["numpy", "torch", "tensorflow"])
def test_lists_follow_the_other_argument(library: str) -> None:
    exact = kl_divergence([0.1, 0.9], [0.3, 0.7])
    make = {"numpy": np.asarray, "torch": torch.tensor, "tensorflow": tf.constant}[library]
    wide = {"numpy": np.float64, "torch": torch.float64, "tensorflow": tf.float64}[library]
    narrow = {"numpy": np.float32, "torch": torch.float32, "tensorflow": tf.float32}[library]
    for dtype, eps in ((wide, 2.0**-52), (narrow, 2.0**-20)):
        result = kl_divergence(make([0.1, 0.9], dtype=dtype), [0.3, 0.7])
        assert result.dtype == dtype
        assert float(result) == pytest.approx(float(exact), rel=4 * eps)
