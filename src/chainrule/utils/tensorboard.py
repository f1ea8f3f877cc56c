"""torch.utils.tensorboard: event files are not written."""

from ..unavailable import unavailable

__all__ = ["SummaryWriter"]

SummaryWriter = unavailable("utils.tensorboard.SummaryWriter", "event files of TensorBoard are not written")
