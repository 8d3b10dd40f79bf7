"""The latent loss of a variational autoencoder: -0.5 sum(1 + 2 s - m^2 - exp(2 s)).

Asked beside https://stackoverflow.com/questions/43599082: how does this formula of a mean m and a
log standard deviation s belong to KL, which takes two arrays of probabilities?  It is the
divergence of Normal(m, exp(s)) from Normal(0, 1), which has this closed form.
"""

import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
import torch

from unikl.losses import kl_standard_normal

rng = np.random.default_rng(0)
m = rng.normal(size=(4, 3)).astype(np.float32)
s = rng.normal(scale=0.5, size=(4, 3)).astype(np.float32)

# The formula, in Keras:
want = -0.5 * keras.ops.sum(1 + 2 * s - keras.ops.square(m) - keras.ops.exp(2 * s), axis=-1)

# It is KL, as torch.distributions confirms:
normal = torch.distributions.Normal
posterior, prior = normal(torch.tensor(m), torch.tensor(s).exp()), normal(0.0, 1.0)
np.testing.assert_allclose(
    torch.distributions.kl_divergence(posterior, prior).sum(-1), want, rtol=1e-5
)

# Here:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    result = kl_standard_normal(array(m), log_std=array(s))
    print(result)
    np.testing.assert_allclose(result, want, rtol=1e-5)

# Close to the prior the formula cancels, this does not: m = 0, s = 1e-4 is 1e-8 + 2/3 1e-12.
near = np.float32(1e-4)
formula = -0.5 * (1 + 2 * near - np.exp(2 * near))
result = kl_standard_normal(np.zeros(1, np.float32), log_std=np.full(1, near))
print(f"close to the prior: {formula:.3g} by the formula, {result:.3g} in truth")
np.testing.assert_allclose(result, 1e-8 * (1 + 2e-4 / 3), rtol=1e-6)
assert abs(formula - result) > 0.1 * result
