#!/usr/bin/env python3
"""The peer of `language_model --preset nanogpt`: the same Transformer, trained by PyTorch with the same settings on the same text.

    tests/benchmarks/language_model.py input.txt [--threads N] [--steps N] [--seed N]

Four layers of 128 with 4 heads, blocks of 64, 12 of them a step, AdamW: nanoGPT's settings for a CPU. The loss is that of the last tenth of the
text, which is not trained on, and is measured as often as by our program. Needs PyTorch (Debian: python3-torch).
"""
import argparse
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, LAYERS, HEADS, BLOCK, BATCH = 128, 4, 4, 64, 12
LR, LAST_LR, WARMUP, CHECK_EVERY = 2e-3, 0.1, 100, 500


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.linear1, self.linear2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("later", torch.ones(BLOCK, BLOCK, dtype=torch.bool).triu(1), persistent=False)

    def attend(self, x):
        rows, steps, _ = x.shape
        q, k, v = (t.view(rows, steps, HEADS, -1).transpose(1, 2) for t in self.qkv(x).split(WIDTH, dim=2))
        if hasattr(F, "scaled_dot_product_attention"):  # from PyTorch 2.0 on
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
            y = scores.masked_fill(self.later[:steps, :steps], -math.inf).softmax(3) @ v
        return self.out_proj(y.transpose(1, 2).reshape(rows, steps, WIDTH))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embedding, self.position = nn.Embedding(vocab, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocab, bias=False)
        for name, parameter in self.named_parameters():
            if name.endswith(("out_proj.weight", "linear2.weight")):
                nn.init.normal_(parameter, 0, 0.02 / math.sqrt(2 * LAYERS))
            elif parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position(torch.arange(tokens.shape[1]))
        return self.out(self.norm(self.layers(x)))


def loss_of(model, tokens, target):
    return F.cross_entropy(model(tokens).flatten(0, 1), target.flatten())


@torch.no_grad()
def measure(model, held_out):
    blocks = (len(held_out) - 1) // BLOCK
    tokens, target = held_out[:blocks * BLOCK].view(-1, BLOCK), held_out[1:blocks * BLOCK + 1].view(-1, BLOCK)
    parts = zip(tokens.split(64), target.split(64))
    return sum(loss_of(model, x, y).item() * len(x) for x, y in parts) / blocks


def rate(step, steps):
    if step < WARMUP:
        return (step + 1) / WARMUP
    return LAST_LR + (1 - LAST_LR) * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (steps - WARMUP)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(asked.seed)

    text = open(asked.text, encoding="utf-8").read()
    letters = {letter: i for i, letter in enumerate(sorted(set(text)))}
    tokens = torch.tensor([letters[letter] for letter in text])
    seen, held_out = tokens.split([round(len(tokens) * 0.9), len(tokens) - round(len(tokens) * 0.9)])

    model = Transformer(len(letters))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    adam = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}], lr=LR, betas=(0.9, 0.99))
    scheduler = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: rate(step, asked.steps))
    best, began = math.inf, time.perf_counter()
    for step in range(1, asked.steps + 1):
        at = torch.randint(0, len(seen) - BLOCK, (BATCH, 1)) + torch.arange(BLOCK)
        adam.zero_grad(set_to_none=True)
        loss_of(model, seen[at], seen[at + 1]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        adam.step()
        scheduler.step()
        if step % CHECK_EVERY == 0 or step == asked.steps:
            best = min(best, measure(model, held_out))
    print(f"PyTorch {torch.__version__}, {asked.threads} threads: held out {best:.4f} nats a token, {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
