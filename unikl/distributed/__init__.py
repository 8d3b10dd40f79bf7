"""Divergences over arrays that no single process holds whole.

`unikl.distributed.torch` is for torch.distributed.  Sharded JAX arrays and Dask arrays need no
module: `unikl.kl_divergence` takes them as they are.
"""
