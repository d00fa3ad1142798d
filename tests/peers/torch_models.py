"""Networks as their authors write them in PyTorch, each with a batch of inputs."""

import math

import torch
from torch import nn
from torch.nn import functional


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 5, padding=2), nn.Conv2d(3, 4, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(4 * 5 * 5, 12), nn.Linear(12, 8), nn.Linear(8, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), (2, 2))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = x.view(-1, 4 * 5 * 5)
        x = functional.dropout(functional.relu(self.fc1(x)), 0.5, training=self.training)
        return self.fc3(torch.relu(self.fc2(x)))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 4))
        self.layer2 = nn.Sequential(BasicBlock(4, 6, 2), BasicBlock(6, 6))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(6, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class Attention(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.qkv, self.proj = nn.Linear(features, 3 * features), nn.Linear(features, features)
        self.heads, self.scale = heads, (features // heads) ** -0.5

    def forward(self, x):
        B, N, C = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        attention = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(B, N, C))


class ViTBlock(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(features, eps=1e-6), Attention(features, heads)
        self.norm2 = nn.LayerNorm(features, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, features=8):
        super().__init__()
        self.patches = nn.Conv2d(3, features, 4, 4)
        self.cls_token = nn.Parameter(torch.randn(1, 1, features))
        self.positions = nn.Parameter(torch.randn(1, 5, features))
        self.blocks = nn.ModuleList([ViTBlock(features, 2) for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(features), nn.Linear(features, 10)

    def forward(self, x):
        batch = x.shape[0]
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(batch, -1, -1), x], dim=1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(20, 6, padding_idx=0), nn.Linear(10, 4)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)

    def forward(self, ids):
        y, _ = self.lstm(self.embed(ids))
        return functional.log_softmax(self.out(y), dim=-1)


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.out = nn.LSTM(6, 5, 2, batch_first=True), nn.GRU(5, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x):
        h0, c0 = torch.zeros(2, x.size(0), 5, dtype=x.dtype), x.new_zeros(2, x.size(0), 5)
        y, (h, c) = self.lstm(x, (h0, c0))
        _, end = self.gru(y, h[:1])
        return self.out(h[-1] + c[-1] - end.squeeze(0) / 2)


class GPTBlock(nn.Module):
    def __init__(self, features, heads, length):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(features), nn.LayerNorm(features, bias=False)
        self.qkv, self.proj = nn.Linear(features, 3 * features, bias=False), nn.Linear(features, features)
        self.expand, self.contract = nn.Linear(features, 2 * features), nn.Linear(2 * features, features)
        self.features, self.heads = features, heads
        self.register_buffer("mask", torch.tril(torch.ones(length, length)).view(1, 1, length, length), persistent=False)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(self.norm1(x)).split(self.features, dim=2)
        q, k, v = (each.view(B, T, self.heads, C // self.heads).transpose(1, 2) for each in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        y = functional.softmax(scores, dim=-1) @ v
        x = x + self.proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.contract(functional.gelu(self.expand(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, entries=13, features=8, length=6):
        super().__init__()
        blocks = nn.ModuleList([GPTBlock(features, 2, length) for _ in range(2)])
        parts = {"wte": nn.Embedding(entries, features), "wpe": nn.Embedding(length, features), "h": blocks, "ln_f": nn.LayerNorm(features)}
        self.transformer, self.lm_head = nn.ModuleDict(parts), nn.Linear(features, entries, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, ids, targets=None):
        _, t = ids.size()
        x = self.transformer.wte(ids) + self.transformer.wpe(torch.arange(0, t, device=ids.device))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        block = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
        self.inputs, self.encoder = nn.Linear(3, 8), nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, bias=False)

    def forward(self, x):
        h = self.encoder(self.inputs(x))
        y, _ = self.attention(h, h, h, need_weights=False)
        return (y + h).mean(1), h


MODELS = {
    LeNet: lambda: torch.randn(3, 1, 28, 28),
    ResNet: lambda: torch.randn(3, 3, 32, 32),
    ViT: lambda: torch.randn(3, 3, 8, 8),
    Tagger: lambda: torch.randint(0, 20, (3, 7)),
    LastState: lambda: torch.randn(3, 4, 6),
    GPT: lambda: torch.randint(0, 13, (3, 5)),
    Encoder: lambda: torch.randn(3, 4, 3),
}
