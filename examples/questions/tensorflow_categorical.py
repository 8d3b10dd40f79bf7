"""KL of two tensors of probabilities: Categorical of tf.distributions, or the formula in NumPy.

Asked: https://stackoverflow.com/questions/41863814.  Stated: [0.88995184 1.08808468], and NaN as
soon as p holds a zero.
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

import unikl

a = np.array([[0.25, 0.1, 0.65], [0.8, 0.15, 0.05]])
b = np.array([[0.7, 0.2, 0.1], [0.15, 0.8, 0.05]])
with_zero = np.array([[0.25, 0.1, 0.65], [0.8, 0.2, 0.0]])
stated = [0.88995184, 1.08808468]

# The answer, under the name that TensorFlow 2 keeps it:
tfd = tf.compat.v1.distributions


def kl(x: np.ndarray, y: np.ndarray) -> tf.Tensor:
    """Of the rows of x and y."""
    return tfd.kl_divergence(tfd.Categorical(probs=x), tfd.Categorical(probs=y))


np.testing.assert_allclose(kl(a, b), stated, rtol=1e-8)
np.testing.assert_allclose(np.sum(a * np.log(a / b), axis=1), stated, rtol=1e-8)
assert np.isnan(kl(with_zero, b)[1])

# Here, on every backend; the zero is no NaN, and no constant need be added:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    result = unikl.kl_divergence(array(a), array(b))
    print(result)
    np.testing.assert_allclose(result, stated, rtol=1e-6)
    zero = unikl.kl_divergence(array(with_zero), array(b))
    np.testing.assert_allclose(zero[1], 0.8 * np.log(0.8 / 0.15) + 0.2 * np.log(0.2 / 0.8), 1e-6)
