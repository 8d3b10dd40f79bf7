"""How far is the student from its teacher, in Dask, and which way to go?"""

from pathlib import Path

import dask.array as da
import numpy as np

import unikl

data = np.load(Path(__file__).with_name("digits.npz"))
teacher, student = (da.from_array(data[f"{name}_logits"], 100) for name in ("teacher", "student"))

loss = unikl.kl_divergence(teacher, student, given="logits").mean()
# Dask has no autodiff; in the student's logits the gradient of each row is q - p.
p, q = (da.exp(x - x.max(1, keepdims=True)) for x in (teacher, student))
gradient = (q / q.sum(1, keepdims=True) - p / p.sum(1, keepdims=True)) / len(p)
loss, size = da.compute(loss, da.linalg.norm(gradient))
print(f"KL(teacher || student) = {loss:.6f} nats, |gradient| = {size:.6f}")
