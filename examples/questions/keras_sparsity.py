"""KL as an activity regulariser in Keras, for a sparse autoencoder: weight 0.01, target 0.05.

Asked: https://stackoverflow.com/questions/43599082.  Both terms are needed, for being active and
for not: https://github.com/ageron/handson-ml2/issues/561 states 0.2262891 for an activation of 0.4
against a target of 0.1.
"""

import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
import torch

from unikl.losses import kl_sparsity
from unikl.losses.keras import KLSparsity

kl_divergence = keras.losses.kl_divergence
activations = np.random.default_rng(0).uniform(0.02, 0.6, size=(32, 8)).astype(np.float32)


# The answer:
def kl_divergence_regularizer(inputs: np.ndarray) -> tf.Tensor:
    """The sparsity penalty of a layer."""
    means = keras.ops.mean(inputs, axis=0)
    return 0.01 * (kl_divergence(0.05, means) + kl_divergence(1 - 0.05, 1 - means))


want = float(kl_divergence_regularizer(activations))
both = kl_divergence([0.1], [0.4]) + kl_divergence([1 - 0.1], [1 - 0.4])
np.testing.assert_allclose(both, 0.2262891, rtol=1e-6)

# Here, on every backend:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    np.testing.assert_allclose(kl_sparsity(array([[0.4]]), target=0.1), 0.2262891, rtol=1e-6)
    result = 0.01 * kl_sparsity(array(activations), target=0.05)
    print(result)
    np.testing.assert_allclose(result, want, rtol=1e-5)

# And as the regulariser of a layer:
layer = keras.layers.Activation("linear", activity_regularizer=KLSparsity(0.05, weight=0.01))
layer(keras.ops.convert_to_tensor(activations))
np.testing.assert_allclose(float(layer.losses[0]), want, rtol=1e-5)
