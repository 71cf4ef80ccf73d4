"""FaRL's attribute network: CLIP ViT-B/16's image encoder and a small head for the 40 attributes of CelebA.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021; Zheng et al.,
"General Facial Representation Learning in a Visual-Linguistic Manner", CVPR 2022. Tensors have the names of the
published file.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call"
# torch's modules are Any when they are called.

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, LAYERS, HEADS, PATCH, SIDE = 768, 12, 12, 16, 224
TOKENS = (SIDE // PATCH) ** 2 + 1


class Attention(nn.Module):
    """Self-attention over all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, WIDTH) to the same."""
        projected = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key, value = projected.unflatten(-1, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        return self.out_proj(seen.transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers with CLIP's quick approximation of GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.c_proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, WIDTH) to the same."""
        x = self.c_fc(x)
        return self.c_proj(x * torch.sigmoid(1.702 * x))


class Block(nn.Module):
    """A layer of the transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.mlp = Perceptron()
        self.ln_2 = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, WIDTH) to the same."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Trunk(nn.Module):
    """CLIP's image transformer up to its last layer, without CLIP's final normalisation and projection."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(WIDTH))
        self.positional_embedding = nn.Parameter(torch.empty(TOKENS, WIDTH))
        self.ln_pre = nn.LayerNorm(WIDTH)
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*(Block() for _ in range(layers)))})

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, SIDE, SIDE) to (N, T, WIDTH); the first token is the class token, the others are the patches."""
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        return self.transformer["resblocks"](x)


class Head(nn.Module):
    """Three views of the tokens, mixed, then a logit for each attribute."""

    def __init__(self, attributes: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.empty(1, 3, 1))
        self.norm_0, self.norm_1, self.norm_2 = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.final_fc = nn.Linear(WIDTH, attributes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, WIDTH) to (N, attributes)."""
        patches = tokens[:, 1:]
        views = [self.norm_0(patches.mean(1)), self.norm_1(patches.amax(1)), self.norm_2(tokens[:, 0])]
        return self.final_fc((torch.stack(views, dim=1) * self.weights.softmax(1)).sum(1))


class AttributeNetwork(nn.Module):
    """Logits of attributes."""

    def __init__(self, attributes: int = 40, layers: int = LAYERS) -> None:
        super().__init__()
        self.backbone = Trunk(layers)
        self.head = Head(attributes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, SIDE, SIDE) float RGB, normalised as for CLIP, to logits (N, attributes)."""
        return self.head(self.backbone(images))
