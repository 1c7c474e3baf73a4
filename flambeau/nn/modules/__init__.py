"""The layers."""

from flambeau.core.registry import explain_constructors
from flambeau.nn.modules import (
    activation,
    adaptive,
    attention,
    batchnorm,
    channelshuffle,
    container,
    conv,
    conv_transpose,
    distance,
    dropout,
    flatten,
    fold,
    instancenorm,
    lazy,
    lazyconv,
    linear,
    linear_cross_entropy_options,
    loss,
    margin_loss,
    module,
    normalization,
    padding,
    parameter_container,
    pixelshuffle,
    pooling,
    rnn,
    rnn_cell,
    sized_pooling,
    smooth_activation,
    sparse,
    transformer,
    upsampling,
)
from flambeau.nn.modules.activation import *  # noqa: F403
from flambeau.nn.modules.adaptive import *  # noqa: F403
from flambeau.nn.modules.attention import *  # noqa: F403
from flambeau.nn.modules.batchnorm import *  # noqa: F403
from flambeau.nn.modules.channelshuffle import *  # noqa: F403
from flambeau.nn.modules.container import *  # noqa: F403
from flambeau.nn.modules.conv import *  # noqa: F403
from flambeau.nn.modules.conv_transpose import *  # noqa: F403
from flambeau.nn.modules.distance import *  # noqa: F403
from flambeau.nn.modules.dropout import *  # noqa: F403
from flambeau.nn.modules.flatten import *  # noqa: F403
from flambeau.nn.modules.fold import *  # noqa: F403
from flambeau.nn.modules.instancenorm import *  # noqa: F403
from flambeau.nn.modules.lazyconv import *  # noqa: F403
from flambeau.nn.modules.linear import *  # noqa: F403
from flambeau.nn.modules.linear_cross_entropy_options import *  # noqa: F403
from flambeau.nn.modules.loss import *  # noqa: F403
from flambeau.nn.modules.margin_loss import *  # noqa: F403
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.normalization import *  # noqa: F403
from flambeau.nn.modules.padding import *  # noqa: F403
from flambeau.nn.modules.parameter_container import *  # noqa: F403
from flambeau.nn.modules.pixelshuffle import *  # noqa: F403
from flambeau.nn.modules.pooling import *  # noqa: F403
from flambeau.nn.modules.rnn import *  # noqa: F403
from flambeau.nn.modules.rnn_cell import *  # noqa: F403
from flambeau.nn.modules.sized_pooling import *  # noqa: F403
from flambeau.nn.modules.smooth_activation import *  # noqa: F403
from flambeau.nn.modules.sparse import *  # noqa: F403
from flambeau.nn.modules.transformer import *  # noqa: F403
from flambeau.nn.modules.upsampling import *  # noqa: F403

__all__ = [
    "Module",
    *activation.__all__,
    *adaptive.__all__,
    *attention.__all__,
    *batchnorm.__all__,
    *channelshuffle.__all__,
    *container.__all__,
    *conv.__all__,
    *conv_transpose.__all__,
    *distance.__all__,
    *dropout.__all__,
    *flatten.__all__,
    *fold.__all__,
    *instancenorm.__all__,
    *lazyconv.__all__,
    *linear.__all__,
    *linear_cross_entropy_options.__all__,
    *loss.__all__,
    *margin_loss.__all__,
    *normalization.__all__,
    *padding.__all__,
    *parameter_container.__all__,
    *pixelshuffle.__all__,
    *pooling.__all__,
    *rnn.__all__,
    *rnn_cell.__all__,
    *sized_pooling.__all__,
    *smooth_activation.__all__,
    *sparse.__all__,
    *transformer.__all__,
    *upsampling.__all__,
]

# PyTorch has these in modules whose files they would make too long; pickles name them there.
for _public, *_kept in (
    (activation, attention, smooth_activation),
    (container, parameter_container),
    (conv, conv_transpose, lazyconv),
    (loss, margin_loss),
    (pooling, sized_pooling),
    (rnn, rnn_cell),
):
    for _file in _kept:
        for _name, _layer in list(vars(_file).items()):
            if isinstance(_layer, type) and _layer.__module__ == _file.__name__:
                _layer.__module__ = _public.__name__
                setattr(_public, _name, _layer)

explain_constructors(globals(), Module)
