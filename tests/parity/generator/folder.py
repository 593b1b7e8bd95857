"""A folder of cases: manifest.json and data/*.safetensors. A tensor is named by what it holds, and every operation has a data file of its
own, so that a new case adds to the folder and changes nothing that was there."""

import hashlib
import json
import os
import struct

import torch

DTYPES = {"F64": torch.float64, "I64": torch.int64, "F32": torch.float32, "BOOL": torch.bool}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
# Relative and absolute: how far apart results of the same call are on two machines, whose kernels add up in another order.
ROUNDING = {"F64": (1e-10, 1e-12), "F32": (1e-5, 1e-5)}
INPUTS = ("tensors", "params")


class Tensors(dict):
    """The tensors of one data file, (dtype, shape, bytes) by name. Equal ones are kept once."""

    def put(self, tensor):
        """The name of a tensor: the first digits of its hash, as many as tell it from the others."""
        dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach().contiguous()
        held = (NAMES[dense.dtype], list(dense.shape), dense.numpy().tobytes())
        digits = hashlib.sha256(repr(held[:2]).encode() + held[2]).hexdigest()
        length = 8
        while self.setdefault(digits[:length], held) != held:
            length += 4
        return digits[:length]

    def save(self, path):
        """u64 little-endian size of the header, JSON header, dense row-major data; larger elements first, so that all are aligned."""
        header, blobs, offset = {}, [], 0
        order = list(DTYPES)
        for name in sorted(self, key=lambda name: order.index(self[name][0])):
            dtype, shape, bytes_ = self[name]
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(bytes_)]}
            blobs.append(bytes_)
            offset += len(bytes_)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))

    @classmethod
    def load(cls, path):
        """None of them where there is no such file."""
        tensors = cls()
        if os.path.exists(path):
            with open(path, "rb") as file:
                header = json.loads(file.read(*struct.unpack("<Q", file.read(8))))
                data = file.read()
            for name, entry in header.items():
                begin, end = entry["data_offsets"]
                tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
        return tensors


def same_result(one, other):
    """Whether two tensors differ by rounding alone."""
    if one[:2] != other[:2] or one[0] not in ROUNDING:
        return False
    rtol, atol = ROUNDING[one[0]]
    x, y = (torch.frombuffer(bytearray(t[2]), dtype=DTYPES[t[0]]) for t in (one, other))
    return torch.allclose(x, y, rtol, atol, equal_nan=True)


def same_case(one, other, tensors, others, is_input=False):
    """Whether two cases, or parts of them, are the same call with the same results but for rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_case(v, other[k], tensors, others, is_input or k in INPUTS) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_case(a, b, tensors, others, is_input) for a, b in zip(one, other))
    if one == other:
        return True
    named = isinstance(one, str) and one in tensors and isinstance(other, str) and other in others
    return named and not is_input and same_result(tensors[one], others[other])


def names_in(case, tensors):
    """The tensors that a case, or a part of it, names."""
    if isinstance(case, (dict, list)):
        for part in case.values() if isinstance(case, dict) else case:
            yield from names_in(part, tensors)
    elif isinstance(case, str) and case in tensors:
        yield case


class Earlier:
    """The cases that a folder holds already."""

    def __init__(self, folder):
        self.folder = folder
        self.cases, self.tensors = {}, {}
        path = os.path.join(folder, "manifest.json")
        if os.path.exists(path):
            with open(path) as file:
                self.cases = {case["id"]: case for case in json.load(file)["cases"]}

    def of_file(self, name):
        if name not in self.tensors:
            self.tensors[name] = Tensors.load(data_file(self.folder, name))
        return self.tensors[name]

    def instead_of(self, case, tensors):
        """The case, with its tensors, as it stands in the folder, where nothing but rounding tells the two apart."""
        there = self.cases.get(case["id"])
        if there and there["file"] == case["file"] and same_case(case, there, tensors, self.of_file(case["file"])):
            return there, self.of_file(case["file"])
        return case, tensors


def data_file(folder, name):
    return os.path.join(folder, "data", f"{name}.safetensors")


def write(folder, meta, parts, cases, tensors):
    """Writes cases and the tensors by data file, and under their own names what stands beside the cases in the manifest. Another
    machine's rounding changes no case that is there; data files of operations that are gone go."""
    earlier, files, lines = Earlier(folder), {}, []
    for case in cases:
        case, held = earlier.instead_of(json.loads(json.dumps(case, allow_nan=False)), tensors[case["file"]])
        file = files.setdefault(case["file"], Tensors())
        for name in names_in(case, held):
            assert file.setdefault(name, held[name]) == held[name], f"{case['id']}: two tensors are called {name}"
        lines.append(json.dumps(case, separators=(",", ":")))
    for name, held in files.items():
        held.save(data_file(folder, name))
    remove_all_but(folder, {data_file(folder, name) for name in files})
    parts = "".join(f'"{key}":[\n' + ",\n".join(map(json.dumps, part)) + "\n],\n" for key, part in parts.items())
    with open(os.path.join(folder, "manifest.json"), "w") as file:  # the comma comes first: the line before a new one stays as it is
        file.write(f'{{"meta":{json.dumps(meta)},\n{parts}"cases":[\n ' + "\n,".join(lines) + "\n]}\n")


def remove_all_but(folder, files):
    for place, folders, names in os.walk(os.path.join(folder, "data"), topdown=False):
        for name in names:
            if name.endswith(".safetensors") and os.path.join(place, name) not in files:
                os.remove(os.path.join(place, name))
        if not os.listdir(place):
            os.rmdir(place)
