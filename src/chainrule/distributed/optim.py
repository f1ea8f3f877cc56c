"""torch.distributed.optim: parameters lie in one process. Every name raises NotImplementedError."""

from ..unavailable import unavailable

__all__ = ["DistributedOptimizer", "ZeroRedundancyOptimizer"]

_REASON = "chainrule runs in one process"
DistributedOptimizer = unavailable("distributed.optim.DistributedOptimizer", _REASON)
ZeroRedundancyOptimizer = unavailable("distributed.optim.ZeroRedundancyOptimizer", _REASON)
