"""torch.optim: optimizers and learning rate schedulers."""

from . import lr_scheduler
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, Adamax, RMSprop
from .optimizer import Optimizer
from .sgd import SGD
