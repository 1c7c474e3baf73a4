"""Peak memory of the rows of `models`, in fresh processes: what they need beyond the import."""

from __future__ import annotations

from ..harness import Row, add_row
from . import models
from .processes import alternate

# Memory that the models themselves take counts; what the peak grows by after the import is it all.
PEAK = """
import gc, importlib, sys

T = importlib.import_module(sys.argv[1])
T.set_num_threads(int(sys.argv[2]))
T.manual_seed(0)
from benchmarks.rows import models

# Code, thread pools and libraries that are loaded late are in place before the measurement.
x = T.ones(8, 8, requires_grad=True)
T.nn.functional.linear(x, x).sum().backward()

def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

gc.collect()
before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts again from what is resident now
step = models.{function}(T)
for _ in range(3):
    step()
print(status("VmHWM") - before)
"""

#: What each function of `models` is called here.
ROWS = {
    "rnn": "RNN two layers",
    "lstm": "LSTM two layers",
    "gru": "GRU two layers",
    "attention": "attention causal",
    "encoder_layer": "TransformerEncoderLayer",
    "embedding": "Embedding 50000x256",
    "mlp": "training step, MLP",
    "lenet": "training step, LeNet",
    "resnet": "training step, ResNet",
    "char_lstm": "training step, char-LSTM",
    "gpt": "training step, GPT",
}

for function, name in ROWS.items():
    getattr(models, function)  # a name that is not there fails here, not in a process
    script = PEAK.replace("{function}", function)
    add_row(Row(f"{name}, peak memory", 1.0, alternate(script, "B", quick=1, full=2)))
