"""chainrule: PyTorch's autograd in plain Python on NumPy."""

from . import dtypes
from .tensor import Tensor
from .dtypes import *
from .size import *
from .modes import *
from .modes import no_grad, enable_grad, set_grad_enabled, inference_mode
from .ops.elementwise import *
from .ops.complexes import *
from .ops.comparison import *
from .ops.bitwise import *
from .ops.shape import *
from .ops.creation import *
from .ops.reduction import *
from .ops.linalg import *
from .ops.random import *
from .ops import conversion, indexing
from .backend import tensors
from . import autograd, random
from .random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .dtypes import float32, float64, int64, bool_ as bool
