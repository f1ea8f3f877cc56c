"""chainrule: PyTorch's autograd in plain Python on NumPy."""

from . import dtypes
from .tensor import Tensor
from .dtypes import *
from .size import *
from .modes import *
from .modes import no_grad, enable_grad, set_grad_enabled, inference_mode
from .ops.elementwise import *
from .ops.comparison import *
from .ops.shape import *
from .ops.creation import *
from .ops.reduction import *
from .ops.linalg import *
from .ops import conversion, indexing
from .backend import tensors
from . import autograd
from .dtypes import float32, float64, int64, bool_ as bool
