"""KL from logits as the difference of two cross-entropies, summed over the batch.

Asked: https://stackoverflow.com/questions/41863814, without numbers; these logits are those of a
tutorial that compares the same two recipes, and states [0.1879 0.4534] for the rows
(https://www.tutorialexample.com, "Implement KL Divergence Loss in TensorFlow").
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

import unikl
from unikl import compat

A = np.array([[0.05, 0.16, 0.9], [0.8, 4.15, 0.05]], np.float32)
B = np.array([[0.7, 0.2, 0.1], [0.15, 0.9, 0.05]], np.float32)
stated = [0.1879, 0.4534]

# The answer:
a, b = tf.constant(A), tf.constant(B)
prob_a = tf.nn.softmax(a)
cr_aa = tf.nn.softmax_cross_entropy_with_logits(prob_a, a)
cr_ab = tf.nn.softmax_cross_entropy_with_logits(prob_a, b)
kl_ab = tf.reduce_sum(cr_ab - cr_aa)
np.testing.assert_allclose(cr_ab - cr_aa, stated, atol=5e-5)

# Here, a value for each row, which does not grow with the batch; and that sum, if need be:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    rows = unikl.kl_divergence(array(A), array(B), given="logits")
    print(rows)
    np.testing.assert_allclose(rows, stated, atol=5e-5)
    total = compat.tensorflow.kl_divergence_with_logits(array(A), array(B))
    np.testing.assert_allclose(total, kl_ab, rtol=1e-5)

# Where the two nearly agree the difference cancels, in the answer and not here:
near = A + np.array([[1e-4, 0, 0], [0, 1e-4, 0]], np.float32)
close = tf.reduce_sum(
    tf.nn.softmax_cross_entropy_with_logits(prob_a, tf.constant(near))
    - tf.nn.softmax_cross_entropy_with_logits(prob_a, a)
)
exact = unikl.kl_divergence(A.astype(float), near.astype(float), given="logits").sum()
print(f"nearly equal: {close:.3g} by the answer, {exact:.3g} in truth")
np.testing.assert_allclose(unikl.kl_divergence(A, near, given="logits").sum(), exact, rtol=1e-5)
assert abs(close - exact) > exact
