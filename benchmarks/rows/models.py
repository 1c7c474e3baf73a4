"""Whole models: layers that are models of their own, and training steps of five networks.

Each network is written once, from the public names that both libraries have.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..harness import Step, row
from .inputs import classes, normal
from .training import train_step

# ---- layers: forward and backward ----


def forward_backward(model: Any, *inputs: Any) -> Step:
    """The layer's output summed up with weights, and all gradients."""
    grads: list[Any] = []

    def step():
        for parameter in model.parameters():
            parameter.grad = None
        out = model(*inputs)
        out = out[0] if isinstance(out, tuple) else out
        if not grads:
            grads.append(out.detach() * 0.01)
        out.backward(grads[0])
        return out

    return step


def recurrent(T: ModuleType, name: str) -> Step:
    """(35, 20, 128) -> 256, two layers."""
    return forward_backward(getattr(T.nn, name)(128, 256, 2), normal(T, 35, 20, 128, grad=True))


@row("RNN two layers forward+backward", 0.8)
def rnn(T: ModuleType) -> Step:
    """An Elman network."""
    return recurrent(T, "RNN")


@row("LSTM two layers forward+backward", 0.8)
def lstm(T: ModuleType) -> Step:
    """Long short-term memory."""
    return recurrent(T, "LSTM")


@row("GRU two layers forward+backward", 0.8)
def gru(T: ModuleType) -> Step:
    """Gated recurrent units."""
    return recurrent(T, "GRU")


@row("attention causal forward+backward", 1.0)
def attention(T: ModuleType) -> Step:
    """Eight heads of 64 over 256 places, batch 8."""
    q, k, v = (normal(T, 8, 8, 256, 64, seed=seed, grad=True) for seed in range(3))
    grad = normal(T, 8, 8, 256, 64, seed=3)

    def step():
        q.grad = k.grad = v.grad = None
        out = T.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out.backward(grad)
        return out.detach(), q.grad, k.grad, v.grad

    return step


@row("TransformerEncoderLayer forward+backward", 0.9)
def encoder_layer(T: ModuleType) -> Step:
    """256 wide, 8 heads, (8, 128, 256), the batch being the first axis; without dropout."""
    layer = T.nn.TransformerEncoderLayer(256, 8, dropout=0.0, batch_first=True)
    return forward_backward(layer, normal(T, 8, 128, 256, grad=True))


@row("TransformerEncoderLayer with dropout", 0.9)
def encoder_layer_dropout(T: ModuleType) -> Step:
    """The same as it is made by default: the batch second, a tenth dropped."""
    layer = T.nn.TransformerEncoderLayer(256, 8)
    return forward_backward(layer, normal(T, 8, 128, 256, grad=True))


@row("Embedding 50000x256 forward+backward", 0.7)
def embedding(T: ModuleType) -> Step:
    """2,048 look-ups, the gradient dense."""
    return forward_backward(T.nn.Embedding(50_000, 256), T.arange(2048) * 7919 % 50_000)


# ---- whole training steps ----


def adam_step(T: ModuleType, model: Any, x: Any, target: Any) -> Step:
    """A step with Adam."""
    return train_step(T, model, T.optim.Adam(model.parameters(), lr=1e-4), x, target)


@row("training step, MLP", 0.85)
def mlp(T: ModuleType) -> Step:
    """784-256-128-10, batch 64, Adam."""
    nn = T.nn
    model = nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    return adam_step(T, model, normal(T, 64, 784), classes(T, 64, 10))


@row("training step, LeNet", 0.85)
def lenet(T: ModuleType) -> Step:
    """LeNet-5 on 28x28 images, batch 64, SGD with momentum."""
    nn = T.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = T.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return train_step(T, model, optimizer, normal(T, 64, 1, 28, 28), classes(T, 64, 10))


def residual_network(T: ModuleType) -> Any:
    """He et al. (2016) for 32x32 images: three stages of one block, 16, 32 and 64 channels."""
    nn = T.nn

    class Block(nn.Module):
        def __init__(self, channels, out, stride):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
                nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out),
            )  # fmt: skip
            self.short = nn.Sequential()
            if stride != 1 or channels != out:
                self.short = nn.Sequential(
                    nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
                )

        def forward(self, x):
            return nn.functional.relu(self.body(x) + self.short(x))

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


@row("training step, ResNet", 0.85)
def resnet(T: ModuleType) -> Step:
    """Three residual blocks on 32x32 images, batch 32, SGD with momentum and decay."""
    model = residual_network(T)
    optimizer = T.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    return train_step(T, model, optimizer, normal(T, 32, 3, 32, 32), classes(T, 32, 10))


def edge_network(T: ModuleType) -> Any:
    """Wang et al. (2019), one layer: each point with its ten nearest neighbours."""
    nn = T.nn

    class EdgeNetwork(nn.Module):
        def __init__(self):
            super().__init__()
            self.edge = nn.Sequential(
                nn.Conv2d(6, 32, 1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.2)
            )
            self.head = nn.Linear(32, 10)

        def forward(self, x):
            batch, points = x.shape[:2]
            nearest = T.cdist(x, x).topk(10, largest=False)[1]
            nearest = nearest + T.arange(batch).view(-1, 1, 1) * points
            neighbours = x.reshape(-1, 3)[nearest.flatten()].view(batch, points, 10, 3)
            own = x.unsqueeze(2).repeat(1, 1, 10, 1)
            edges = T.cat((neighbours - own, own), -1).permute(0, 3, 1, 2).contiguous()
            return self.head(self.edge(edges).max(-1)[0].mean(-1))

    return EdgeNetwork()


@row("training step, point cloud", 0.85)
def point_cloud(T: ModuleType) -> Step:
    """Edges between 256 points, batch 8, Adam: lines of 3, 6 and 10 numbers."""
    return adam_step(T, edge_network(T), normal(T, 8, 256, 3), classes(T, 8, 10))


@row("training step, char-LSTM", 0.85)
def char_lstm(T: ModuleType) -> Step:
    """65 characters, two layers of 128, 64 steps, batch 32, Adam."""
    nn = T.nn

    class CharLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(65, 64)
            self.lstm = nn.LSTM(64, 128, 2, batch_first=True)
            self.head = nn.Linear(128, 65)

        def forward(self, x):
            return self.head(self.lstm(self.embed(x))[0]).flatten(0, 1)

    text = classes(T, 32 * 65, 65).reshape(32, 65) * 31 % 65
    return adam_step(T, CharLSTM(), text[:, :-1], text[:, 1:].flatten())


def small_gpt(T: ModuleType) -> Any:
    """Radford et al. (2019): four blocks, 128 wide, 4 heads, 65 characters, 64 places."""
    nn, F = T.nn, T.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.out = nn.Linear(128, 384), nn.Linear(128, 128)
            self.mlp = nn.Sequential(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128))

        def forward(self, x):
            batch, length, width = x.shape
            q, k, v = (
                part.view(batch, length, 4, 32).transpose(1, 2)
                for part in self.qkv(self.norm1(x)).split(width, 2)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(65, 128), nn.Embedding(64, 128)
            self.blocks = nn.Sequential(*(Block() for _ in range(4)))
            self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, 65, bias=False)

        def forward(self, x):
            x = self.tokens(x) + self.places(T.arange(x.shape[1]))
            return self.head(self.norm(self.blocks(x))).flatten(0, 1)

    return GPT()


@row("training step, GPT", 0.85)
def gpt(T: ModuleType) -> Step:
    """64 tokens, batch 16, AdamW."""
    model = small_gpt(T)
    optimizer = T.optim.AdamW(model.parameters(), lr=1e-4)
    text = classes(T, 16 * 65, 65).reshape(16, 65) * 31 % 65
    return train_step(T, model, optimizer, text[:, :-1], text[:, 1:].flatten())
