"""Networks of PyTorch, and the files that its exporters make of them."""

import warnings

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions beside a shortcut, as in ResNet-18."""

    def __init__(self, n, m, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n, m, 3, stride, 1, bias=False), nn.BatchNorm2d(m)
        self.conv2, self.bn2 = nn.Conv2d(m, m, 3, 1, 1, bias=False), nn.BatchNorm2d(m)
        self.down = nn.Sequential(nn.Conv2d(n, m, 1, stride, bias=False), nn.BatchNorm2d(m)) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.down(x))


class ResNet(nn.Module):
    """ResNet-18 with few channels."""

    def __init__(self, w=4):
        super().__init__()
        self.conv1, self.bn1, self.pool = nn.Conv2d(3, w, 7, 2, 3, bias=False), nn.BatchNorm2d(w), nn.MaxPool2d(3, 2, 1)
        widths = [(w, w, 1), (w, w, 1), (w, 2 * w, 2), (2 * w, 2 * w, 1), (2 * w, 4 * w, 2), (4 * w, 4 * w, 1), (4 * w, 8 * w, 2)]
        self.blocks = nn.Sequential(*[Block(*each) for each in widths], Block(8 * w, 8 * w, 1))
        self.avg, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8 * w, 10)
        for each in self.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.running_mean.normal_(0, 0.1)
                each.running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avg(self.blocks(x)), 1))


class Encoder(nn.Module):
    """A transformer block."""

    def __init__(self, d, heads):
        super().__init__()
        self.n1, self.att, self.n2 = nn.LayerNorm(d), nn.MultiheadAttention(d, heads, batch_first=True), nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x):
        y = self.n1(x)
        x = x + self.att(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.n2(x))


class ViT(nn.Module):
    """A vision transformer: patches, a class token, positions, blocks."""

    def __init__(self, d=8, heads=2, depth=2):
        super().__init__()
        self.patch = nn.Conv2d(3, d, 4, 4)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, d)), nn.Parameter(torch.randn(1, 10, d))
        self.layers, self.norm, self.head = nn.Sequential(*[Encoder(d, heads) for _ in range(depth)]), nn.LayerNorm(d), nn.Linear(d, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.layers(x))[:, 0])


class Tagger(nn.Module):
    """An embedding, a recurrent layer in both directions, and scores for each position."""

    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.emb, self.rnn, self.out = nn.Embedding(20, 6), kind(6, 5, batch_first=True, bidirectional=True), nn.Linear(10, 4)

    def forward(self, ids):
        return self.out(self.rnn(self.emb(ids))[0])


class Heads(nn.Module):
    """Attention with `scaled_dot_product_attention`, causal, between products without a bias."""

    def __init__(self, d=6):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.out = nn.Linear(d, 3)

    def forward(self, x):
        return self.out(functional.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), is_causal=True))


def lenet():
    convolutions = nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def autoencoder():
    down = nn.Conv2d(2, 4, 3, 2, 1), nn.InstanceNorm2d(4, affine=True), nn.PReLU(4), nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2)
    up = nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1), nn.ELU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.AvgPool2d(2)
    return nn.Sequential(*down, *up, nn.Conv2d(3, 2, 1))


def perceptron():
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU("tanh"), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 3), nn.LogSoftmax(-1))


def channels():
    first = nn.Conv1d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Hardswish(), nn.Conv1d(4, 4, 3, groups=4), nn.Softplus()
    return nn.Sequential(*first, nn.MaxPool1d(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))


def images(channels, size):
    return lambda n: torch.randn(n, channels, size, size)


def ids(n):
    return torch.randint(0, 20, (n, 7))


NETWORKS = {
    "lenet": (lenet, images(1, 28)),
    "resnet": (ResNet, images(3, 32)),
    "vit": (ViT, images(3, 12)),
    "lstm_tagger": (Tagger, ids),
    "gru_tagger": (lambda: Tagger(nn.GRU), ids),
    "rnn_tagger": (lambda: Tagger(nn.RNN), ids),
    "heads": (Heads, lambda n: torch.randn(n, 5, 6)),
    "autoencoder": (autoencoder, images(2, 8)),
    "perceptron": (perceptron, lambda n: torch.randn(n, 6)),
    "channels": (channels, lambda n: torch.randn(n, 3, 8)),
}


def network(name, dtype=torch.float32):
    """Return a network in evaluation mode, and a function of the batch size that makes its input."""
    make, data = NETWORKS[name]
    torch.manual_seed(0)

    def inputs(n):
        x = data(n)
        return x.to(dtype) if x.is_floating_point() else x

    module = make().to(dtype).eval()
    with torch.no_grad():
        for parameter in module.parameters():  # so that no two are equal
            parameter.add_(0.01 * torch.randn(parameter.shape))
    return module, inputs


def export(module, x, path, dynamo=False):
    """Write the file that PyTorch's exporter makes, with a free batch axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(module, (x,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False)
            return
        names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}
        keeps_names = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
        torch.onnx.export(module, (x,), path, dynamo=False, **names, **keeps_names)
