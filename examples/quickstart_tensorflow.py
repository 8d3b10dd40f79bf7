"""How far is the student from its teacher, in TensorFlow, and which way to go?"""

from pathlib import Path

import numpy as np
import tensorflow as tf

import unikl

data = np.load(Path(__file__).with_name("digits.npz"))
teacher = tf.constant(data["teacher_logits"])
student = tf.Variable(data["student_logits"])

with tf.GradientTape() as tape:
    loss = tf.reduce_mean(unikl.kl_divergence(teacher, student, given="logits"))
gradient = tape.gradient(loss, student)
print(f"KL(teacher || student) = {loss:.6f} nats, |gradient| = {tf.norm(gradient):.6f}")
