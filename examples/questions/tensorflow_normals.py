"""KL of two Normal objects of tf.contrib.distributions.

Asked: https://stackoverflow.com/questions/41863814.  Stated: 0.44314718 for Normal(0, 1) against
Normal(1, 2).
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

from unikl.losses import kl_standard_normal

# The answer, under the name that TensorFlow 2 keeps it:
ds = tf.compat.v1.distributions
p = ds.Normal(loc=0.0, scale=1.0)
q = ds.Normal(loc=1.0, scale=2.0)
np.testing.assert_allclose(ds.kl_divergence(p, q), 0.44314718, rtol=1e-7)

# A change of units leaves KL alone: measured from q's mean in q's standard deviations, q is
# Normal(0, 1) and p is Normal((0 - 1) / 2, 1 / 2).
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    result = kl_standard_normal(array([(0.0 - 1.0) / 2.0]), std=array([1.0 / 2.0]))
    print(result)
    np.testing.assert_allclose(result, 0.44314718, rtol=1e-6)
