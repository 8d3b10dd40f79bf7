"""Make digits.npz: logits of a teacher and of a student on real images.

The data are the 1797 handwritten digits of scikit-learn (8 x 8 pixels).  The teacher is a
network with a hidden layer on all 64 pixels; the student a linear model on 16, the image
shrunk to 4 x 4.  Both learn from the first 1257 images; the logits are for the other 540.

    python examples/make_digits.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

images, labels = load_digits(return_X_y=True)
full = images / 16
small = full.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
train, test = slice(None, 1257), slice(1257, None)

teacher = MLPClassifier((64,), alpha=1e-2, max_iter=400, random_state=0)
teacher.fit(full[train], labels[train])
student = LogisticRegression(max_iter=1000).fit(small[train], labels[train])

(weights1, weights2), (bias1, bias2) = teacher.coefs_, teacher.intercepts_
teacher_logits = np.maximum(full[test] @ weights1 + bias1, 0) @ weights2 + bias2
student_logits = student.decision_function(small[test])
for name, logits in (("teacher", teacher_logits), ("student", student_logits)):
    print(f"{name}: {(logits.argmax(axis=1) == labels[test]).mean():.1%} right on held-out images")

np.savez_compressed(
    Path(__file__).with_name("digits.npz"),
    teacher_logits=teacher_logits.astype(np.float32),
    student_logits=student_logits.astype(np.float32),
    labels=labels[test].astype(np.int8),
)
