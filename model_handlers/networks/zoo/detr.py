"""A DETR head over an EfficientNet's feature map: one query per class looks at the whole face.

Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020 (arXiv:2005.12872), with
its parameters' names; as a deepfake detector: Baxevanakis et al., "The MeVer DeepFake Detection
Service", 2022 (arXiv:2204.12816).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.network_specs import DetrSpec
from model_handlers.networks.zoo.efficientnet import efficientnet_body

_TABLE = 50
"""Rows and columns of the learned positional embedding."""
_TEMPERATURE = 10_000


class DetrHead(nn.Module):
    """EfficientNet → 1x1 convolution → transformer → one logit per query.

    Shapes:
        input: (n, 3, s, s); output: (n, queries).
    """

    def __init__(self, spec: DetrSpec, size: int) -> None:
        super().__init__()
        self.backbone = efficientnet_body(spec.architecture, 0, pool="")
        features = int(self.backbone.num_features)  # type: ignore[arg-type]
        self.input_proj = nn.Conv2d(features, spec.width, kernel_size=1)
        side = math.ceil(size / 32)
        self.position = (
            LearnedPositions(spec.width)
            if spec.positions == "learned"
            else FixedPositions(spec.width, side)
        )
        self.transformer = Transformer(spec)
        self.query_embed = nn.Embedding(spec.queries, spec.width)
        self.class_embed = nn.Linear(spec.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.input_proj(self.backbone(x))
        position = self.position(maps).flatten(2).permute(2, 0, 1)
        source = maps.flatten(2).permute(2, 0, 1)
        queries = self.query_embed.weight.unsqueeze(1).expand(-1, source.shape[1], -1)
        decoded = self.transformer(source, position, queries)
        logits: Tensor = self.class_embed(decoded).squeeze(2).transpose(0, 1)
        return logits


class FixedPositions(nn.Module):
    """Sines and cosines of rows and columns, each scaled to a full turn.

    Shapes:
        input: (n, width, side, side); output: (1, width, side, side).
    """

    table: Tensor

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        half = width // 2
        exponents = 2 * (torch.arange(half) // 2) / half
        steps = torch.arange(1, side + 1) / (side + 1e-6) * 2 * math.pi
        angles = steps[:, None] / _TEMPERATURE**exponents
        waves = torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)
        rows = waves[:, None, :].expand(side, side, half)
        columns = waves[None, :, :].expand(side, side, half)
        table = torch.cat([rows, columns], dim=2).permute(2, 0, 1)
        self.register_buffer("table", table[None].contiguous(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.table


class LearnedPositions(nn.Module):
    """Embeddings of columns and of rows, concatenated.

    Shapes:
        input: (n, width, side, side); output: (1, width, side, side).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.row_embed = nn.Embedding(_TABLE, width // 2)
        self.col_embed = nn.Embedding(_TABLE, width // 2)

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = maps.shape[2], maps.shape[3]
        across = self.col_embed.weight[:columns].unsqueeze(0).expand(rows, -1, -1)
        down = self.row_embed.weight[:rows].unsqueeze(1).expand(-1, columns, -1)
        return torch.cat([across, down], dim=2).permute(2, 0, 1)[None]


class Transformer(nn.Module):
    """DETR's encoder and decoder, with normalisation after each sublayer.

    Shapes:
        source, position: (pixels, n, width); queries: (queries, n, width), also the output's.
    """

    def __init__(self, spec: DetrSpec) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(spec), Decoder(spec)

    def forward(self, source: Tensor, position: Tensor, queries: Tensor) -> Tensor:
        decoded: Tensor = self.decoder(self.encoder(source, position), position, queries)
        return decoded


class Encoder(nn.Module):
    """Layers over the source (pixels, n, width)."""

    def __init__(self, spec: DetrSpec) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(spec) for _ in range(spec.encoder_layers))

    def forward(self, source: Tensor, position: Tensor) -> Tensor:
        for layer in self.layers:
            source = layer(source, position)
        return source


class Decoder(nn.Module):
    """Layers over the queries (queries, n, width), which begin as zeros."""

    def __init__(self, spec: DetrSpec) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(spec) for _ in range(spec.decoder_layers))
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, source: Tensor, position: Tensor, queries: Tensor) -> Tensor:
        target = torch.zeros_like(queries)
        for layer in self.layers:
            target = layer(target, source, position, queries)
        normalised: Tensor = self.norm(target)
        return normalised


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network; positions are added to queries and keys."""

    def __init__(self, spec: DetrSpec) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(spec.width, spec.heads)
        self.linear1 = nn.Linear(spec.width, spec.feedforward)
        self.linear2 = nn.Linear(spec.feedforward, spec.width)
        self.norm1, self.norm2 = nn.LayerNorm(spec.width), nn.LayerNorm(spec.width)

    def forward(self, source: Tensor, position: Tensor) -> Tensor:
        query = source + position
        source = self.norm1(source + _attend(self.self_attn, query, query, source))
        forwarded = self.linear2(functional.relu(self.linear1(source)))
        normalised: Tensor = self.norm2(source + forwarded)
        return normalised


class DecoderLayer(nn.Module):
    """Self-attention of the queries, attention to the source, and a feed-forward network."""

    def __init__(self, spec: DetrSpec) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(spec.width, spec.heads)
        self.multihead_attn = nn.MultiheadAttention(spec.width, spec.heads)
        self.linear1 = nn.Linear(spec.width, spec.feedforward)
        self.linear2 = nn.Linear(spec.feedforward, spec.width)
        self.norm1, self.norm2 = nn.LayerNorm(spec.width), nn.LayerNorm(spec.width)
        self.norm3 = nn.LayerNorm(spec.width)

    def forward(self, target: Tensor, source: Tensor, position: Tensor, queries: Tensor) -> Tensor:
        query = target + queries
        target = self.norm1(target + _attend(self.self_attn, query, query, target))
        seen = _attend(self.multihead_attn, target + queries, source + position, source)
        target = self.norm2(target + seen)
        forwarded = self.linear2(functional.relu(self.linear1(target)))
        normalised: Tensor = self.norm3(target + forwarded)
        return normalised


def build_detr(spec: DetrSpec, size: int) -> nn.Module:
    """Builds an EfficientNet with a DETR head for crops of `size` pixels.

    Raises:
        ValueError: timm has no such EfficientNet.
    """
    return DetrHead(spec, size)


def _attend(attention: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    attended: Tensor = attention(query, key, value, need_weights=False)[0]
    return attended
