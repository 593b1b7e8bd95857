#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gradus/io/named_tensors.h"
#include "gradus/tensor.h"

/// Files of tensors in the safetensors format (huggingface.co/docs/safetensors): the size of the header as 64-bit little-endian number, a
/// JSON header with each tensor's dtype, shape and place, and the elements in row-major order. PyTorch, JAX and NumPy read and write it
/// too.
namespace gradus::io {

/// Reads a safetensors file. F64, F32, I64 and BOOL keep their dtype; F16 and BF16 become float32, and I32, I16, I8, U64, U32, U16 and U8
/// int64, all without loss. The tensors are contiguous leaves that do not require gradients.
/// Throws IoError, naming the file and what is wrong with it, when it cannot be read, is cut short, or breaks the format in any
/// way: a header that is not JSON of the right form, names that occur twice, sizes and offsets that disagree, overlap or leave holes, a U64
/// beyond int64. Nothing larger than the file itself is allocated before that is known.
GRADUS_API NamedTensors load_safetensors(const std::string& path);

/// Writes a safetensors file that other programs read. Tensors may be strided; they are written dense, and booleans as 0 and 1. A new file
/// `NAME.PROCESS.NUMBER.part` is written beside the old one, flushed to the disk and then put in its place, so that the path always holds
/// one whole file, the old one if anything fails. What a process that was killed left of it, the next call for the path removes. Where the
/// path is a symbolic link, the file that it leads to is written, be it there or not.
/// Throws IoError with the system's reason when that happens, ValueError on a name that occurs twice, is `__metadata__` or is not
/// UTF-8, StateError on an undefined tensor.
GRADUS_API void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                                 const std::map<std::string, std::string>& metadata = {});

}  // namespace gradus::io
