"""How long a KL divergence takes, and how much memory, beside every other library's.

``python -m benchmarks`` measures; docs/speed.md says how, and shows what came out.  The tables
that define it: `workloads.WORKLOADS` (what is computed) and ``candidates()`` in each file of
`peers` (by whom).  `child` measures the times of one framework in one process, `memory` the peak
memory of one candidate, `driver` starts both, `report` and `plots` write down what they found.
"""
