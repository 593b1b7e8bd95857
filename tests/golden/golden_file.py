"""The files that the golden cases are written to: tensors and text by name, in the safetensors format."""

import json
import struct

import torch

DTYPES = {torch.float64: "F64", torch.int64: "I64", torch.float32: "F32", torch.bool: "BOOL"}


class Golden:
    """Tensors and metadata of one file, in the order in which they were added."""

    def __init__(self):
        self.tensors = {}
        self.metadata = {}

    def add(self, name, tensor):
        assert name not in self.tensors, name
        self.tensors[name] = tensor.detach().clone().contiguous()

    def add_all(self, prefix, tensors):
        """A dictionary's tensors as `prefix.key`, a list's as `prefix0`, `prefix1`, ...; None is left out."""
        items = tensors.items() if isinstance(tensors, dict) else enumerate(tensors)
        dot = "." if isinstance(tensors, dict) else ""
        for key, tensor in items:
            if tensor is not None:
                self.add(f"{prefix}{dot}{key}", tensor)

    def note(self, name, value):
        """Metadata: text as it is, anything else as JSON."""
        assert name not in self.metadata, name
        self.metadata[name] = value if isinstance(value, str) else json.dumps(value, allow_nan=False)

    def save(self, path):
        save_safetensors(path, self.tensors, self.metadata)


def save_safetensors(path, tensors, metadata):
    """u64 little-endian size of the header, JSON header, dense row-major data; larger elements first, so that all are aligned."""
    header = {"__metadata__": metadata}
    data = []
    offset = 0
    order = list(DTYPES)
    for name, tensor in sorted(tensors.items(), key=lambda item: order.index(item[1].dtype)):
        blob = tensor.numpy().tobytes()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        data.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))
