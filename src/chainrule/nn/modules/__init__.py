"""torch.nn.modules: every module, by family."""

from ...pickling import call_as_pytorch
from .activation import *
from .batchnorm import *
from .channelshuffle import *
from .container import *
from .conv import *
from .distance import *
from .dropout import *
from .flatten import *
from .fold import *
from .instancenorm import *
from .linear import *
from .loss import *
from .module import Module
from .normalization import *
from .padding import *
from .pixelshuffle import *
from .pooling import *
from .sparse import *
from .upsampling import *

__all__ = sorted(name for name, value in globals().items() if isinstance(value, type))
call_as_pytorch(globals())
