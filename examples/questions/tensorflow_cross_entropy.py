"""Cross-entropy in the place of KL: the same up to a constant, hence "no need to optimise on KL".

Asked: https://stackoverflow.com/questions/41863814, where the answer is
tf.reduce_mean(-softmax_cross_entropy_with_logits(prob_a, y)).  The constant is the entropy of
prob_a; the minus sign turns the loss around.
"""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

import unikl
from unikl import compat

prob_a = np.array([[0.25, 0.1, 0.65], [0.8, 0.15, 0.05]], np.float32)
y = np.array([[0.5, -1.0, 2.0], [0.3, 0.1, -0.4]], np.float32)
p, logits = tf.constant(prob_a), tf.Variable(y)

with tf.GradientTape(persistent=True) as tape:
    negative = tf.reduce_mean(-tf.nn.softmax_cross_entropy_with_logits(prob_a, logits))
    kl = tf.reduce_mean(unikl.kl_divergence(p, logits, given=("probs", "logits")))
entropy = -np.sum(prob_a * np.log(prob_a), axis=1).mean()
print(f"-cross-entropy {negative:.6f}, KL {kl:.6f}, entropy {entropy:.6f}")
np.testing.assert_allclose(kl, -negative - entropy, rtol=1e-6)

# The gradients are the same but for the sign, so minimising the negative maximises KL:
by_name = {"KL": tape.gradient(kl, logits), "negative": tape.gradient(negative, logits)}
np.testing.assert_allclose(by_name["KL"], -by_name["negative"], atol=1e-7)

# On every backend, both numbers; KL tells how far there is to go, cross-entropy does not:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    p, q = array(prob_a), array(y)
    loss = np.asarray(compat.tensorflow.softmax_cross_entropy_with_logits(p, q))
    np.testing.assert_allclose(-loss.mean(), negative, rtol=1e-6)
    rows = np.asarray(unikl.kl_divergence(p, q, given=("probs", "logits")))
    np.testing.assert_allclose(rows.mean(), kl, rtol=1e-6)
