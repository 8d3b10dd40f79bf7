"""How far is the student from its teacher, in JAX, and which way to go?"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import unikl

data = np.load(Path(__file__).with_name("digits.npz"))
teacher = jnp.asarray(data["teacher_logits"])
student = jnp.asarray(data["student_logits"])

loss, gradient = jax.value_and_grad(
    lambda student: unikl.kl_divergence(teacher, student, given="logits").mean()
)(student)
print(f"KL(teacher || student) = {loss:.6f} nats, |gradient| = {jnp.linalg.norm(gradient):.6f}")
