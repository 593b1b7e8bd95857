#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gradus/io/named_tensors.h"
#include "gradus/tensor.h"

/// NumPy's own files (numpy.org/doc/stable/reference/generated/numpy.lib.format.html): one array in an .npy file, several in an .npz file.
namespace gradus::io {

/// Reads an .npy file, of version 1, 2 or 3, as `numpy.save` writes it. f8, f4, i8 and b1 keep their dtype; f2 becomes float32, and i4, i2,
/// i1, u8, u4, u2 and u1 become int64, all without loss. The tensor is a contiguous leaf that does not require gradients, also where the
/// array was in Fortran's order.
/// Throws IoError, naming the file and what is wrong with it, when it cannot be read, is cut short or too long, has a header of another
/// form, a u8 beyond int64, or elements of another kind: big-endian ones, objects (which NumPy would have to run code for), structures,
/// complex numbers, texts, dates. Nothing larger than the file itself is allocated before that is known.
GRADUS_API Tensor load_npy(const std::string& path);

/// Writes an .npy file, of version 1, that NumPy reads. The tensor may be strided; it is written dense. The file takes the place of an old
/// one when it is whole, as with save_safetensors. Throws IoError with the system's reason where that fails, StateError on an undefined
/// tensor.
GRADUS_API void save_npy(const std::string& path, const Tensor& x);

/// Reads an .npz file: a zip archive of .npy files, stored (`numpy.savez`) or deflated (`numpy.savez_compressed`), zip64 included. The
/// tensors have the names of the arrays, in the file's order, and are as load_npy gives them; there is no metadata. A small file can unpack
/// to more than there is memory. So what is deflated may take up `max_bytes` of tensors, in all, and without that argument 64 MiB and four
/// times the file's size. Throws IoError as load_npy does, and where the archive's directory or a checksum is wrong, members overlap, two
/// have one name, one is no .npy file, is encrypted or packed otherwise, or where a deflated one meets a library that was built without
/// zlib.
GRADUS_API NamedTensors load_npz(const std::string& path, std::optional<uint64_t> max_bytes = {});

}  // namespace gradus::io
