"""SciPy's ``special.rel_entr``, ``special.kl_div``, ``stats.entropy`` and
``spatial.distance.jensenshannon``, on arrays of any backend.

>>> round(float(entropy([1, 3], [2, 2])), 6)
0.130812
"""

from .distance import jensenshannon
from .special import kl_div, rel_entr
from .stats import entropy

__all__ = ["entropy", "jensenshannon", "kl_div", "rel_entr"]
