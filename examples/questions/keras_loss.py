"""KL in Keras: the function is there, and clips.

Asked: https://stackoverflow.com/questions/43599082.  The answer shows its code: clip both to
[epsilon, 1], then sum(p * log(p / q)).
"""

import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
import torch

import unikl
from unikl import compat

p = np.array([[0.1, 0.9], [0.3, 0.7]], np.float32)
q = np.array([[0.4, 0.6], [1.0, 0.0]], np.float32)
clipped = np.clip(p, 1e-7, 1) * np.log(np.clip(p, 1e-7, 1) / np.clip(q, 1e-7, 1))
by_keras = np.asarray(keras.losses.kl_divergence(p, q))
np.testing.assert_allclose(by_keras, clipped.sum(axis=-1), rtol=1e-6)

# The first row is what it should be.  In the second p has mass where q has none: KL is infinite,
# and the clip makes some number of it.
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    print(unikl.kl_divergence(array(p), array(q)))
    np.testing.assert_allclose(compat.keras.kl_divergence(array(p), array(q)), by_keras, rtol=1e-6)
    np.testing.assert_allclose(unikl.kl_divergence(array(p), array(q)), [by_keras[0], np.inf], 1e-6)
