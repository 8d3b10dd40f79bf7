"""The question itself: tf.contrib.distributions.kl(prob_a, prob_b) of two plain tensors.

Asked: https://stackoverflow.com/questions/41863814.  Stated: "No KL(dist_a || dist_b) registered
for dist_a type Tensor and dist_b type Tensor".
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

import unikl

prob_a, prob_b = np.random.default_rng(0).dirichlet(np.ones(1000), size=(2, 4))

# What was tried, under the name of TensorFlow 2:
refused = ""
try:
    tf.compat.v1.distributions.kl_divergence(tf.constant(prob_a), tf.constant(prob_b))
except NotImplementedError as error:
    refused = str(error)
print(refused)
assert "registered for" in refused

# Here tensors are what the function is for:
want = np.sum(prob_a * np.log(prob_a / prob_b), axis=1)
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    result = unikl.kl_divergence(array(prob_a), array(prob_b))
    print(result)
    np.testing.assert_allclose(result, want, rtol=1e-5)
