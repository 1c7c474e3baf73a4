"""The switches of recording under torch's name for their module."""

from flambeau.autograd import set_multithreading_enabled as set_multithreading_enabled
from flambeau.core.grad_mode import enable_grad as enable_grad
from flambeau.core.grad_mode import inference_mode as inference_mode
from flambeau.core.grad_mode import no_grad as no_grad
from flambeau.core.grad_mode import set_grad_enabled as set_grad_enabled
