"""torch.nn.modules: every module, by family."""

from .activation import *
from .container import *
from .distance import *
from .dropout import *
from .flatten import *
from .linear import *
from .loss import *
from .module import Module
from .sparse import *
