#pragma once

#include <string>

#include "gradus/io/named_tensors.h"

/// Files of PyTorch: a zip archive of a pickle, which says what there is, and of the elements.
namespace gradus::io {

/// Reads what `torch.save(model.state_dict(), path)` writes, without Python and without running any code: of the pickle's opcodes and names
/// only those that tensors, numbers, texts, lists and dicts of them need are known, and all others are refused by name.
///
/// The tensors have the names of the state dict, in its order, and `model.load_state_dict(load_pytorch(path).tensors)` takes them. Dicts
/// and lists in others give dotted names: of `{"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}` the tensors
/// are "model.0.weight", "optimizer.state.0.exp_avg" and so on. What holds no tensors is metadata under its dotted name: a text, a dtype or
/// a device as it is, all else as Python's json.dumps writes it, "epoch" as "3" and "optimizer.param_groups" as "[{\"lr\": 0.001, …}]". A
/// file of one tensor calls it "tensor".
///
/// float64, float32, int64 and bool keep their dtype; float16 and bfloat16 become float32, and int32, int16, int8, uint64, uint32, uint16
/// and uint8 int64, all without loss. As in PyTorch, tensors that shared their elements when they were saved share them, and strided ones
/// are strided; all are leaves that do not require gradients. The device on which they were does not matter. Throws IoError, naming the
/// file and what is wrong with it, when it cannot be read, is damaged, was written before PyTorch 1.6 or as TorchScript, asks for anything
/// that a state dict does not need, or holds tensors that have no counterpart: sparse, quantized or complex ones, of more than 8
/// dimensions. Nothing larger than the file itself is allocated before that is known.
GRADUS_API NamedTensors load_pytorch(const std::string& path);

}  // namespace gradus::io
