#include "io/contents.h"

#include <algorithm>
#include <string_view>

#include "io/checkpoint_file.h"
#include "io/npy_header.h"
#include "io/pytorch_archive.h"
#include "io/zip.h"

namespace gradus::io {

Contents read_any(const char* op, const std::string& path) {
  const InputFile file(op, path);
  constexpr size_t most = 16, safetensors_header = 8;
  std::string begin(static_cast<size_t>(std::min<uint64_t>(file.size(), most)), '\0');
  file.read_at(0, begin.data(), begin.size());
  if (begin.starts_with(kNpyMagic)) return read_npy(file);
  if (is_old_pytorch(file)) return read_pytorch(file);  // says so
  // Before zip archives, where a way of packing stands here: a header may be as long as the letters PK say.
  if (begin.size() > safetensors_header && begin[safetensors_header] == '{') {
    Contents contents = read_safetensors(op, path);
    const auto format = contents.file.metadata.find("format");
    if (format != contents.file.metadata.end() && format->second == kCheckpointFormat) contents.kind = "checkpoint";
    return contents;
  }
  if (begin.starts_with("PK")) return find_pytorch_pickle(ZipArchive(file)) ? read_pytorch(file) : read_npz(file, {});
  file.fail("is no file of tensors that is known: safetensors, .npy, .npz, or PyTorch's");
}

}  // namespace gradus::io
