"""How far is the student from its teacher, in PyTorch, and which way to go?"""

from pathlib import Path

import numpy as np
import torch

import unikl

data = np.load(Path(__file__).with_name("digits.npz"))
teacher = torch.tensor(data["teacher_logits"])
student = torch.tensor(data["student_logits"], requires_grad=True)

loss = unikl.kl_divergence(teacher, student, given="logits").mean()
(gradient,) = torch.autograd.grad(loss, student)
print(f"KL(teacher || student) = {loss:.6f} nats, |gradient| = {gradient.norm():.6f}")
