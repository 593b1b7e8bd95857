"""The jobs of gradus_jobs.cpp as users of today's Python packages write them: PyTorch, as it is and compiled, and ONNX Runtime for inference.

A worker like worker.cpp, which says how it is spoken with; side_by_side --python PYTHON starts it, where PYTHON has those packages. Kinds are
those of gradus_jobs.cpp, with " compiled" behind them for torch.compile and " onnx" for ONNX Runtime.
"""
import io
import logging
import sys
import time
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class NoSuchJob(Exception):
    pass


def values(shape, scale=1.0):
    return (torch.rand(shape) * 2 - 1) * scale


def gru(sizes):
    """Forward and backward of the layers alone. Sizes: embedding, hidden, layers, batch, steps."""
    embed, hidden, layers, batch, steps = sizes
    model = nn.GRU(embed, hidden, layers)
    x, dy = values((steps, batch, embed)).requires_grad_(), values((steps, batch, hidden))

    def run():
        model.zero_grad()
        x.grad = None
        model(x)[0].backward(dy)

    return run


class Tagger(nn.Module):
    def __init__(self, vocabulary, embed, hidden, layers, classes):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(vocabulary, embed), nn.GRU(embed, hidden, layers)
        self.head = nn.Linear(hidden, classes)

    def forward(self, tokens, target):
        scores = self.head(self.rnn(self.embedding(tokens).permute(1, 0, 2))[0])
        return nn.functional.cross_entropy(scores.reshape(-1, scores.size(2)), target)


def step(sizes, compiled):
    """The training step. Sizes: vocabulary, embedding, hidden, layers, batch, steps, classes."""
    vocabulary, embed, hidden, layers, batch, steps, classes = sizes
    model = Tagger(vocabulary, embed, hidden, layers, classes)
    adam = torch.optim.Adam(model.parameters())
    tokens, target = torch.randint(vocabulary, (batch, steps)), torch.randint(classes, (batch * steps,))
    loss = torch.compile(model) if compiled else model

    def run():
        adam.zero_grad()
        loss(tokens, target).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()

    return run


def transformer(sizes, compiled):
    """A Transformer's training step, or a causal stack's. Sizes: features, heads, layers of encoder and decoder, feed-forward, batch, steps."""
    features, heads, encoder, decoder, feedforward, batch, steps = sizes
    if decoder == 0:
        model = nn.TransformerEncoder(nn.TransformerEncoderLayer(features, heads, feedforward), encoder)
    else:
        model = nn.Transformer(features, heads, encoder, decoder, feedforward)
    adam = torch.optim.Adam(model.parameters())
    x, y, dy = (values((steps, batch, features)) for _ in range(3))
    mask = nn.Transformer.generate_square_subsequent_mask(steps)
    forward = torch.compile(model) if compiled else model

    def run():
        adam.zero_grad()
        (forward(x, mask, is_causal=True) if decoder == 0 else forward(x, y, tgt_mask=mask, tgt_is_causal=True)).backward(dy)
        adam.step()

    return run


def gru_inference(sizes, onnx, threads):
    """Steps of the layers without gradient. Sizes: input, hidden, layers, batch, steps."""
    size, hidden, layers, batch, steps = sizes
    model = nn.GRU(size, hidden, layers).eval()
    x, h = values((steps, batch, size)), values((layers, batch, hidden))
    if not onnx:
        def run():
            with torch.inference_mode():
                model(x, h)

        return run
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(model, (x, h), file, input_names=["x", "h"], output_names=["y", "h_n"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    inputs = {"x": x.numpy(), "h": h.numpy()}
    return lambda: session.run(None, inputs)


def make(line):
    kind, threads, sizes = line.split("|")
    threads, sizes = int(threads), [int(size) for size in sizes.split()]
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    makers = {"gru": lambda: gru(sizes), "step": lambda: step(sizes, False), "step compiled": lambda: step(sizes, True),
              "transformer": lambda: transformer(sizes, False), "transformer compiled": lambda: transformer(sizes, True),
              "gru inference": lambda: gru_inference(sizes, False, threads), "gru inference onnx": lambda: gru_inference(sizes, True, threads)}
    if kind not in makers:
        raise NoSuchJob(kind)
    return makers[kind](), threads


def median_time(run, threads, budget):
    """As in worker.cpp."""
    now = time.process_time if threads == 1 else time.perf_counter

    def group(count):
        start = now()
        for _ in range(count):
            run()
        return (now() - start) / count

    first = group(1)
    if first > budget:
        return first
    count, times, start = max(1, int(1e-4 / max(first, 1e-9))), [], time.perf_counter()
    while not times or time.perf_counter() - start < budget:
        times.append(group(count))
    return sorted(times)[len(times) // 2]


def about():
    try:
        import onnxruntime
        onnx = f"ONNX Runtime {onnxruntime.__version__}"
    except ImportError:
        onnx = "no ONNX Runtime"
    return f"PyTorch {torch.__version__} from Python {sys.version.split()[0]}, {onnx}"


def main():
    run, threads, warm = None, 1, False
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        if command == "make":
            try:
                run, threads = make(rest)
                warm = False
                print("ok", flush=True)
            except (NoSuchJob, ImportError) as reason:
                print(f"none {reason}", flush=True)
        elif command == "run":
            for _ in range(0 if warm else 3):  # compiles, starts threads, touches new memory
                run()
            warm = True
            print(median_time(run, threads, float(rest)), flush=True)
        elif command == "about":
            print(about(), flush=True)


main()
