"""torch.sparse: there are no sparse tensors here. Every function raises NotImplementedError."""

from .unavailable import unavailable

__all__ = ["addmm", "mm", "softmax", "sparse_coo_tensor", "sparse_csr_tensor", "sum"]

_REASON = "there are no sparse tensors; a dense one, or indices with index_add and scatter_add, can stand for it"
sparse_coo_tensor = unavailable("sparse_coo_tensor", _REASON)
sparse_csr_tensor = unavailable("sparse_csr_tensor", _REASON)
mm = unavailable("sparse.mm", _REASON)
addmm = unavailable("sparse.addmm", _REASON)
sum = unavailable("sparse.sum", _REASON)
softmax = unavailable("sparse.softmax", _REASON)
