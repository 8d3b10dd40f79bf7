"""KL in PyTorch against TensorFlow, of two samples of different size.

The samples {1, 1, 2, 2, 3} and {1, 1, 1, 1, 1, 2, 3, 3, 3, 3} are counted, and the relative
frequencies compared: [0.4, 0.4, 0.2] with [0.5, 0.1, 0.4], which is 0.4 log 0.8 + 0.4 log 4 +
0.2 log 0.5 = 0.326631.
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

import unikl
from unikl.estimators import from_samples

x = [1, 1, 2, 2, 3]
y = [1, 1, 1, 1, 1, 2, 3, 3, 3, 3]
stated = 0.326631

# By hand, then by either framework.  PyTorch takes the logarithm of the second first:
p = np.array([x.count(value) for value in (1, 2, 3)]) / len(x)
q = np.array([y.count(value) for value in (1, 2, 3)]) / len(y)
in_torch = F.kl_div(torch.tensor(q).log(), torch.tensor(p), reduction="sum")
in_tensorflow = tf.keras.losses.kld(p, q)
np.testing.assert_allclose(in_torch, stated, atol=5e-7)
np.testing.assert_allclose(in_tensorflow, stated, atol=5e-7)

# F.kl_div(p, q), as one would write it, is another number altogether:
np.testing.assert_allclose(
    F.kl_div(torch.tensor(p), torch.tensor(q), reduction="sum"), -1.263348, 1e-6
)

# Here, from the samples, of any library, or from the counts:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    result = from_samples(array(x), array(y))
    counts = unikl.kl_divergence(array([2.0, 2.0, 1.0]), array([5.0, 1.0, 4.0]), given="counts")
    print(result, counts)
    np.testing.assert_allclose([result, counts], stated, atol=5e-7)
