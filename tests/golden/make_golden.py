#!/usr/bin/python3
"""Writes the golden files: what PyTorch gives, for the C++ tests to compare with. README.md says what is in them.

Needs Python 3 with PyTorch and NumPy (Debian: python3-torch, python3-numpy). usage: make_golden.py [--out DIR]
"""

import argparse
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.dont_write_bytecode = True  # no __pycache__ among the sources
import print_cases
from golden_file import Golden


# ---- rnn.safetensors

def gru_case(golden, name, dtype, steps, batch, options, h0=False, lengths=None):
    """One GRU, forward and backward. batch None: an unbatched sequence. Past a row's length the output is 0."""
    gru = nn.GRU(**options, dtype=dtype)
    directions = 2 if options["bidirectional"] else 1
    sizes = [] if batch is None else [batch]
    batch_first = options["batch_first"]
    x = torch.randn(*([*sizes, steps] if batch_first else [steps, *sizes]), options["input_size"], dtype=dtype, requires_grad=True)
    states = (options["num_layers"] * directions, *sizes, options["hidden_size"])
    start = torch.randn(states, dtype=dtype, requires_grad=True) if h0 else None
    if lengths is None:
        output, h_n = gru(x, start)
    else:
        packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=False)
        output, h_n = gru(packed, start)
        output, _ = pad_packed_sequence(output, batch_first, total_length=steps)
        golden.add(f"{name}.lengths", torch.tensor(lengths))
    golden.note(name, options)
    add_recurrent(golden, name, gru, {"x": x, "h0": start}, {"output": output, "h_n": h_n})


def add_recurrent(golden, name, module, inputs, outputs):
    cotangents = {f"d_{key}": torch.randn_like(y) for key, y in outputs.items()}
    torch.autograd.backward(list(outputs.values()), list(cotangents.values()))
    parameters = dict(module.named_parameters())
    golden.add_all(f"{name}.param", parameters)
    for tensors in (inputs, outputs, cotangents):
        golden.add_all(name, tensors)
    for prefix, tensors in (("grad", inputs), ("grad.param", parameters)):
        golden.add_all(f"{name}.{prefix}", {key: t.grad for key, t in tensors.items() if t is not None})


def write_rnn(golden):
    torch.manual_seed(20)
    grid = [  # steps, batch, layers, hidden, bidirectional, bias, batch_first, h0, lengths
        (1, 2, 1, 3, False, True, False, False, None), (5, 3, 1, 3, False, True, False, False, None),
        (5, 3, 1, 3, False, True, False, True, None), (7, 2, 2, 3, False, True, False, True, None),
        (5, 2, 3, 3, False, True, False, False, None), (5, 2, 1, 3, True, True, False, True, None),
        (5, 3, 2, 3, True, True, False, False, None), (7, 2, 3, 3, True, True, True, True, None),
        (5, 2, 1, 3, False, False, False, False, None), (5, 2, 2, 3, True, False, True, True, None),
        (5, 3, 2, 7, False, True, True, False, None), (1, 3, 2, 7, True, True, True, True, None),
        (5, None, 1, 3, False, True, False, False, None), (5, None, 2, 3, True, True, False, True, None),
        (7, None, 1, 3, False, True, True, True, None), (5, 4, 1, 3, False, True, False, False, [3, 5, 1, 4]),
        (7, 4, 1, 3, False, True, False, True, [2, 7, 7, 1]), (5, 3, 2, 3, False, True, True, True, [1, 3, 2]),
        (7, 4, 1, 3, True, True, False, True, [4, 2, 7, 5]), (5, 4, 2, 3, True, True, False, False, [3, 5, 1, 4]),
        (7, 3, 3, 3, True, False, True, True, [6, 1, 4]), (1, 2, 2, 3, True, True, False, True, [1, 1]),
        (5, 3, 2, 7, True, True, True, False, [2, 5, 3]), (7, 1, 2, 7, False, True, False, True, [4]),
    ]
    for dtype in (torch.float64, torch.float32):
        for k, (steps, batch, layers, hidden, bidirectional, bias, batch_first, h0, lengths) in enumerate(grid):
            options = {"input_size": 5, "hidden_size": hidden, "num_layers": layers, "bias": bias, "batch_first": batch_first,
                       "bidirectional": bidirectional}
            # In float32 every third case: the arithmetic is the same, only coarser.
            if dtype == torch.float64:
                gru_case(golden, f"gru.{k}", dtype, steps, batch, options, h0, lengths)
            elif k % 3 == 1:
                gru_case(golden, f"gru.{len(grid) + k // 3}", dtype, steps, batch, options, h0, lengths)
    for k, (dtype, batch, bias, given) in enumerate([(torch.float64, [3], True, True), (torch.float64, [2], False, False),
                                                     (torch.float64, [], True, True), (torch.float32, [3], True, True)]):
        options = {"input_size": 5, "hidden_size": 3, "bias": bias}
        cell = nn.GRUCell(**options, dtype=dtype)
        x = torch.randn(*batch, 5, dtype=dtype, requires_grad=True)
        h0 = torch.randn(*batch, 3, dtype=dtype, requires_grad=True) if given else None
        golden.note(f"gru_cell.{k}", options)
        add_recurrent(golden, f"gru_cell.{k}", cell, {"x": x, "h0": h0}, {"output": cell(x, h0)})


# ---- optim.safetensors

def optimizer_case(golden, name, optimizer, dtype=torch.float64, groups=({},), **options):
    """Six steps over two parameters a group, with random gradients."""
    params = [[torch.randn(shape, dtype=dtype, requires_grad=True) for shape in ((2, 3), (3,))] for _ in groups]
    flat = [p for group in params for p in group]
    described = [{"params": [2 * g, 2 * g + 1], **own} for g, own in enumerate(groups)]
    golden.note(name, {"optimizer": optimizer, "options": options, "groups": described})
    golden.add_all(f"{name}.start.", flat)
    stepper = getattr(torch.optim, optimizer)([{"params": p, **own} for p, own in zip(params, groups)], **options)
    for step in range(6):
        for p in flat:
            p.grad = torch.randn_like(p)
        golden.add_all(f"{name}.grad.{step}.", [p.grad for p in flat])
        stepper.step()
        golden.add_all(f"{name}.after.{step}.", flat)


def write_optim(golden):
    torch.manual_seed(30)
    runs = [("SGD", options) for options in (
        {"lr": 0.1}, {"lr": 0.1, "weight_decay": 0.05}, {"lr": 0.1, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}, {"lr": 0.1, "momentum": 0.5, "dampening": 0.1, "weight_decay": 0.05},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05})]
    for optimizer in ("Adam", "AdamW"):
        runs += [(optimizer, options) for options in (
            {}, {"lr": 0.05}, {"lr": 0.05, "amsgrad": True}, {"lr": 0.05, "weight_decay": 0.1}, {"lr": 0.05, "weight_decay": 0},
            {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3}, {"lr": 0.05, "betas": [0.0, 0.5], "weight_decay": 0.1, "amsgrad": True})]
    k = 0
    for k, (optimizer, options) in enumerate(runs):
        optimizer_case(golden, f"optim.{k}", optimizer, **options)
    more = [("SGD", torch.float32, ({},), {"lr": 0.1, "momentum": 0.9}), ("Adam", torch.float32, ({},), {"lr": 0.05}),
            ("AdamW", torch.float32, ({},), {"lr": 0.05}),
            ("SGD", torch.float64, ({"lr": 0.01}, {"momentum": 0.5}), {"lr": 0.1, "momentum": 0.9}),
            ("Adam", torch.float64, ({"lr": 0.2, "betas": [0.7, 0.9]}, {}), {"lr": 0.05, "weight_decay": 0.1}),
            ("AdamW", torch.float64, ({}, {"weight_decay": 0.5}), {"lr": 0.05})]
    for k, (optimizer, dtype, groups, options) in enumerate(more, k + 1):
        optimizer_case(golden, f"optim.{k}", optimizer, dtype, groups, **options)
    clips = [(1.0, 2.0), (0.5, 2.0), (100.0, 2.0), (1.0, 1.0), (2.0, 3.0), (0.5, "inf"), (50.0, "inf")]
    for k, (max_norm, norm_type) in enumerate(clips):
        dtype = torch.float32 if k == 1 else torch.float64
        params = [torch.zeros(shape, dtype=dtype) for shape in ((2, 3), (4,), ())]
        for p in params:
            p.grad = torch.randn_like(p)
        golden.note(f"clip.{k}", {"max_norm": max_norm, "norm_type": norm_type})
        golden.add_all(f"clip.{k}.before.", [p.grad for p in params])
        golden.add(f"clip.{k}.norm", nn.utils.clip_grad_norm_(params, max_norm, float(norm_type)))
        golden.add_all(f"clip.{k}.after.", [p.grad for p in params])


# ---- d2l.safetensors

PAD, BOS, EOS = 1, 2, 3


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, layers, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.GRU(embed, hidden, layers, dropout=dropout)

    def forward(self, tokens):
        return self.rnn(self.embedding(tokens).permute(1, 0, 2))


class Decoder(nn.Module):
    def __init__(self, vocab, embed, hidden, layers, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.GRU(embed + hidden, hidden, layers, dropout=dropout)
        self.dense = nn.Linear(hidden, vocab)

    def forward(self, tokens, state):
        embedded = self.embedding(tokens).permute(1, 0, 2)
        context = state[-1].repeat(embedded.shape[0], 1, 1)
        output, _ = self.rnn(torch.cat([embedded, context], 2), state)
        return self.dense(output).permute(1, 0, 2)


def sentences(vocab, batch, steps):
    """Random tokens, then EOS, then padding; and how many tokens are valid, EOS included."""
    lengths = torch.randint(2, steps + 1, (batch,))
    tokens = torch.randint(4, vocab, (batch, steps))
    place = torch.arange(steps)
    tokens[place == lengths[:, None] - 1] = EOS
    tokens[place >= lengths[:, None]] = PAD
    return tokens, lengths


def init_xavier(model):
    for name, p in model.named_parameters():
        if "weight" in name and "embedding" not in name:
            nn.init.xavier_uniform_(p)


def masked_loss(model, src, tgt, tgt_valid_len, dec_input):
    """The sum over the batch of the mean over the steps."""
    _, state = model["encoder"](src)
    logits = model["decoder"](dec_input, state)
    mask = (torch.arange(tgt.shape[1]) < tgt_valid_len[:, None]).float()
    return (F.cross_entropy(logits.permute(0, 2, 1), tgt, reduction="none") * mask).mean(1).sum()


def write_d2l(golden):
    torch.manual_seed(40)
    model = nn.ModuleDict({"encoder": Encoder(24, 8, 12, 2), "decoder": Decoder(28, 8, 12, 2)})
    init_xavier(model)
    golden.tensors.update({k: p.detach().clone() for k, p in model.state_dict().items()})
    batches = []
    for k in range(2):
        src, src_valid_len = sentences(24, 6, 7)
        tgt, tgt_valid_len = sentences(28, 6, 7)
        dec_input = torch.cat([torch.full((6, 1), BOS), tgt[:, :-1]], 1)
        batches.append((src, tgt, tgt_valid_len, dec_input))
        golden.add_all(f"batch.{k}", {"src": src, "src_valid_len": src_valid_len, "tgt": tgt, "tgt_valid_len": tgt_valid_len,
                                      "dec_input": dec_input})
    adam = torch.optim.Adam(model.parameters(), lr=0.005)
    losses, norms = [], []
    for step in range(10):
        src, tgt, tgt_valid_len, dec_input = batches[step % 2]
        adam.zero_grad()
        loss = masked_loss(model, src, tgt, tgt_valid_len, dec_input)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1))
        adam.step()
        losses.append(loss.detach() / tgt_valid_len.sum())
    golden.add("losses", torch.stack(losses))
    golden.add("grad_norms", torch.stack(norms))
    golden.add_all("after", model.state_dict())
    golden.note("d2l", {"src_vocab": 24, "tgt_vocab": 28, "embed": 8, "hidden": 12, "layers": 2, "lr": 0.005, "max_norm": 1, "steps": 10})


# ---- seeded.safetensors

def write_seeded(golden):
    """The chapter's model in full size, made, fed and trained from a seed alone: weights, tokens and dropout all come from the generator."""
    for seed in (0, 7):
        torch.manual_seed(seed)
        model = nn.ModuleDict({"encoder": Encoder(184, 32, 32, 2, 0.1), "decoder": Decoder(201, 32, 32, 2, 0.1)})
        init_xavier(model)
        adam = torch.optim.Adam(model.parameters(), lr=0.005)
        losses = []
        for _ in range(10):
            src, tgt = torch.randint(0, 184, (64, 10)), torch.randint(0, 201, (64, 10))
            tgt_valid_len = torch.randint(1, 11, (64,))
            loss = masked_loss(model, src, tgt, tgt_valid_len, torch.cat([torch.full((64, 1), BOS), tgt[:, :-1]], 1))
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1)
            adam.step()
            losses.append(loss.detach() / tgt_valid_len.sum())
        golden.add(f"seed{seed}.losses", torch.stack(losses))


# ---- random.safetensors

def initialisers():
    """Name, function on a fresh tensor, shape."""
    six = (6, 5)
    yield from (("uniform_", nn.init.uniform_, six), ("uniform__-2_3", lambda w: nn.init.uniform_(w, -2, 3), six),
                ("normal_", nn.init.normal_, six), ("normal__1_0.5", lambda w: nn.init.normal_(w, 1, 0.5), six),
                ("constant__0.3", lambda w: nn.init.constant_(w, 0.3), six), ("ones_", nn.init.ones_, six),
                ("zeros_", nn.init.zeros_, six), ("eye_", nn.init.eye_, six), ("trunc_normal_", nn.init.trunc_normal_, six),
                ("trunc_normal__0.5_2_-1_3", lambda w: nn.init.trunc_normal_(w, 0.5, 2, -1, 3), six),
                ("orthogonal_", nn.init.orthogonal_, six), ("orthogonal__wide", nn.init.orthogonal_, (5, 6)),
                ("orthogonal__gain_2", lambda w: nn.init.orthogonal_(w, 2), six), ("orthogonal__3d", nn.init.orthogonal_, (4, 3, 2)))
    for name in ("xavier_uniform_", "xavier_normal_"):
        fill = getattr(nn.init, name)
        yield name, fill, six
        yield f"{name}_gain_2", lambda w, fill=fill: fill(w, gain=2.0), six
        yield f"{name}_3d", fill, (4, 3, 2)
    for name in ("kaiming_uniform_", "kaiming_normal_"):
        fill = getattr(nn.init, name)
        yield name, fill, six
        yield f"{name}_a_sqrt5", lambda w, fill=fill: fill(w, a=5 ** 0.5), six
        yield f"{name}_fan_out_relu", lambda w, fill=fill: fill(w, mode="fan_out", nonlinearity="relu"), six
        yield f"{name}_fan_in_tanh", lambda w, fill=fill: fill(w, nonlinearity="tanh"), six
        yield f"{name}_3d", fill, (4, 3, 2)


def draws(seed):
    """Name and function; what a function returns, a tensor, a list or a state_dict, is drawn right after seeding."""
    f64 = torch.float64
    for count in (5, 40, 700):
        yield f"rand_{count}", lambda count=count: torch.rand(count)
    for count in (5, 40):
        yield f"rand_{count}_float64", lambda count=count: torch.rand(count, dtype=f64)
    for count in (1, 5, 15, 16, 17, 40, 100):
        yield f"randn_{count}", lambda count=count: torch.randn(count)
        yield f"randn_{count}_float64", lambda count=count: torch.randn(count, dtype=f64)
    yield "randn_3x7", lambda: torch.randn(3, 7)
    yield "randint_0_10_20", lambda: torch.randint(0, 10, (20,))
    yield "randint_-5_2**40_5", lambda: torch.randint(-5, 2**40, (5,))
    for count in (1, 20, 100):
        yield f"randperm_{count}", lambda count=count: torch.randperm(count)
    yield "dropout_0.3_50", lambda: F.dropout(torch.ones(50), 0.3)
    yield "dropout_0.5_50_float64", lambda: F.dropout(torch.ones(50, dtype=f64), 0.5)
    yield "bernoulli_0.3_30", lambda: torch.empty(30).bernoulli_(0.3)
    yield "bernoulli_each_0.3_30", lambda: torch.bernoulli(torch.full((30,), 0.3))
    yield "rand5_randn5_randn5", lambda: [torch.rand(5), torch.randn(5), torch.randn(5)]
    yield "randn5_randn20_randn5", lambda: [torch.randn(5), torch.randn(20), torch.randn(5)]
    yield "randn5_rand5_randn5_float64", lambda: [torch.randn(5), torch.rand(5), torch.randn(5, dtype=f64)]
    yield "randn5_seed_randn5", lambda: [torch.randn(5), torch.manual_seed(seed) and torch.randn(5)]
    yield "randperm20_randint20_rand5", lambda: [torch.randperm(20), torch.randint(0, 10, (20,)), torch.rand(5)]
    yield "dropout20_dropout20", lambda: [F.dropout(torch.ones(20), 0.3), F.dropout(torch.ones(20), 0.3)]
    for name, make in (("linear", lambda: nn.Linear(3, 4)), ("linear_float64", lambda: nn.Linear(3, 4, dtype=f64)),
                       ("linear_40_20", lambda: nn.Linear(40, 20)), ("embedding", lambda: nn.Embedding(5, 3)),
                       ("embedding_4_3", lambda: nn.Embedding(4, 3)),
                       ("embedding_padding_idx_1", lambda: nn.Embedding(5, 3, padding_idx=1)),
                       ("gru", lambda: nn.GRU(3, 4, 2, bidirectional=True)), ("gru_cell", lambda: nn.GRUCell(3, 4)),
                       ("rnn", lambda: nn.RNN(3, 4, 2, bidirectional=True)), ("rnn_cell", lambda: nn.RNNCell(3, 4)),
                       ("lstm", lambda: nn.LSTM(3, 4, 2, bidirectional=True)), ("lstm_cell", lambda: nn.LSTMCell(3, 4))):
        yield name, lambda make=make: make().state_dict()
    for name, fill, shape in initialisers():
        yield f"init.{name}", lambda fill=fill, shape=shape: fill(torch.empty(shape))


def write_random(golden):
    for seed in (0, 1, 42, 2**40 + 7):
        for name, draw in draws(seed):
            torch.manual_seed(seed)
            drawn = draw()
            if torch.is_tensor(drawn):
                golden.add(f"seed{seed}.{name}", drawn)
            else:
                golden.add_all(f"seed{seed}.{name}" + ("." if isinstance(drawn, list) else ""), drawn)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)), help="folder to write to (default: this script's)")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    writers = {"rnn": write_rnn, "prints": print_cases.write, "optim": write_optim, "d2l": write_d2l, "seeded": write_seeded,
               "random": write_random}
    for name, write in writers.items():
        golden = Golden()
        write(golden)
        golden.note("pytorch", torch.__version__)
        path = os.path.join(out, f"{name}.safetensors")
        golden.save(path)
        print(f"{path}: {len(golden.tensors)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
