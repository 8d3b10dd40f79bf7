"""The built-in losses of tf.keras: KLDivergence and kld.

Asked: https://stackoverflow.com/questions/41863814.  Stated, by the documentation of TensorFlow:
0.458 for a batch, 0.366 with weights, 0.916 as a sum, [0.916, -3.08e-06] for the rows; and
0.11891246 for three numbers that are no distributions.
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

import unikl
from unikl import compat

y_true = [[0.0, 1.0], [0.0, 0.0]]
y_pred = [[0.6, 0.4], [0.4, 0.6]]

# The documentation's numbers:
mean = tf.keras.losses.KLDivergence()
np.testing.assert_allclose(mean(y_true, y_pred), 0.458, atol=5e-4)
np.testing.assert_allclose(mean(y_true, y_pred, sample_weight=[0.8, 0.2]), 0.366, atol=6e-4)
total = tf.keras.losses.KLDivergence(reduction="sum")
np.testing.assert_allclose(total(y_true, y_pred), 0.916, atol=5e-4)
rows = tf.keras.losses.KLDivergence(reduction="none")(y_true, y_pred)
np.testing.assert_allclose(rows, [0.916, -3.08e-6], rtol=1e-3)
odd = ([0.4, 0.9, 0.2], [0.5, 0.8, 0.12])
np.testing.assert_allclose(tf.keras.losses.kld(*odd), 0.11891246, rtol=1e-6)

# The second row is no distribution, and its value, negative, is that of the clip at 1e-7.  With the
# same clip on every backend, and as it is:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    p, q = array(y_true), array(y_pred)
    np.testing.assert_allclose(compat.keras.kl_divergence(p, q), rows, rtol=2e-5)
    np.testing.assert_allclose(
        compat.keras.kl_divergence(array(odd[0]), array(odd[1])), 0.11891246, rtol=1e-6
    )
    result = unikl.kl_divergence(p, q, validate=False)
    print(result)
    np.testing.assert_allclose(result, [np.log(1 / 0.4), np.nan], rtol=1e-6)

# Unless told otherwise, unikl refuses such a row, and says which it is:
refused = ""
try:
    unikl.kl_divergence(np.array(y_true), np.array(y_pred))
except ValueError as error:
    refused = str(error)
print(refused)
assert "row 1" in refused
