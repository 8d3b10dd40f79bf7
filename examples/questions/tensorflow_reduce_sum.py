"""KL by its formula: tf.reduce_sum(p * tf.math.log(p / q)).

Asked: https://stackoverflow.com/questions/41863814, without numbers; the arrays are those of the
first answer, so the sum is that of [0.88995184 1.08808468].
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

import unikl
from unikl import compat

a = np.array([[0.25, 0.1, 0.65], [0.8, 0.15, 0.05]])
b = np.array([[0.7, 0.2, 0.1], [0.15, 0.8, 0.05]])
stated = 0.88995184 + 1.08808468

# The answer: one number for the whole batch, and NaN at a zero of p.
p, q = tf.constant(a), tf.constant(b)
np.testing.assert_allclose(tf.reduce_sum(p * tf.math.log(p / q)), stated, rtol=1e-8)
zero = tf.constant([0.5, 0.5, 0.0]) * tf.math.log(tf.constant([2.0, 1.0, 0.0]))
assert np.isnan(tf.reduce_sum(zero))

# Here:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    rows = np.asarray(unikl.kl_divergence(array(a), array(b)))
    print(rows.sum())
    np.testing.assert_allclose(rows.sum(), stated, rtol=1e-6)
    np.testing.assert_allclose(
        compat.tensorflow.kl_divergence(array(a), array(b)), stated, rtol=1e-6
    )
    edge = unikl.kl_divergence(array([0.5, 0.5, 0.0]), array([0.25, 0.5, 0.25]))
    np.testing.assert_allclose(edge, np.log(2) / 2, rtol=1e-6)
