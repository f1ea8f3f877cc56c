"""torch.optim: optimizers and learning rate schedulers."""

from ..pickling import call_as_pytorch
from . import lr_scheduler
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD
from .sparse_adam import SparseAdam

call_as_pytorch(globals())
