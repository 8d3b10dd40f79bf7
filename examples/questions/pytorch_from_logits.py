"""KL in PyTorch against TensorFlow, from logits: F.kl_div of log_softmax and softmax.

Stated, at https://discuss.pytorch.org/t/kl-divergence-loss-pytorch-implementation/166206: 0.0179 by
F.kl_div with its default reduction, and 0.0716 as cross-entropy less entropy, four times as much,
because the default divides by the number of categories too.
"""

import warnings

import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

import unikl
from unikl import compat

student, teacher = [[0.1, 0.2, 0.4, 0.3]], [[0.7, 0.1, 0.1, 0.1]]
warnings.filterwarnings("ignore", "reduction: 'mean'")

# In PyTorch, the model's log-probabilities first:
log_q = F.log_softmax(torch.tensor(student), dim=-1)
p = F.softmax(torch.tensor(teacher), dim=-1)
np.testing.assert_allclose(F.kl_div(log_q, p), 0.0179, atol=5e-5)
np.testing.assert_allclose(F.kl_div(log_q, p, reduction="batchmean"), 0.0716, atol=5e-5)

# In TensorFlow, the target's probabilities first:
y_true, y_pred = tf.nn.softmax(teacher), tf.nn.softmax(student)
np.testing.assert_allclose(tf.keras.losses.KLDivergence()(y_true, y_pred), 0.0716, atol=5e-5)

# Here, from the logits themselves, p first; and PyTorch's number, where it must stay:
for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):
    a, b = array(teacher), array(student)
    result = unikl.kl_divergence(a, b, given="logits")
    print(result)
    np.testing.assert_allclose(result, [0.0716], atol=5e-5)
    np.testing.assert_allclose(
        compat.torch.kl_div(array(log_q.numpy()), array(p.numpy())), 0.0179, atol=5e-5
    )
