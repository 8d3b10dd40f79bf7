"""Fused versions of the core's reductions, for the machines that have them.

`unikl.kernels.host` runs those for arrays in host memory (``pip install 'unikl[fast]'``).
"""
