"""For tests and conformance alike."""

import contextlib

# torch.compile imports triton, which aborts a process that has loaded TensorFlow; first is fine.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401
