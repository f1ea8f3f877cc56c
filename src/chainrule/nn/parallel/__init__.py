"""torch.nn.parallel: modules on several devices, of which there is one here, or in several processes, likewise."""

from ...unavailable import unavailable
from .data_parallel import DataParallel, data_parallel
from .distributed import DistributedDataParallel
from .scatter_gather import gather, scatter

__all__ = [
    "DataParallel", "DistributedDataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter",
]  # fmt: skip

replicate = unavailable("nn.parallel.replicate", "there is no device but the CPU")
parallel_apply = unavailable("nn.parallel.parallel_apply", "there is no device but the CPU")
