"""How far is the student from its teacher, in NumPy, and which way to go?"""

from pathlib import Path

import numpy as np

import unikl

data = np.load(Path(__file__).with_name("digits.npz"))
teacher, student = data["teacher_logits"], data["student_logits"]

loss = unikl.kl_divergence(teacher, student, given="logits").mean()
# NumPy has no autodiff; in the student's logits the gradient of each row is q - p.
p, q = (np.exp(x - x.max(1, keepdims=True)) for x in (teacher, student))
gradient = (q / q.sum(1, keepdims=True) - p / p.sum(1, keepdims=True)) / len(p)
print(f"KL(teacher || student) = {loss:.6f} nats, |gradient| = {np.linalg.norm(gradient):.6f}")
