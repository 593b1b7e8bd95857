#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/allocator.h"
#include "core/file.h"
#include "io/state_dict_pickle.h"
#include "io/zip.h"

namespace gradus::io {

/// Whether an archive is one that torch.save wrote: it has a pickle in its one folder.
const ZipMember* find_pytorch_pickle(const ZipArchive& archive);

/// Whether a file begins as those of PyTorch before 1.6 do.
bool is_old_pytorch(const InputFile& file);

/// The zip archive that torch.save writes: FOLDER/data.pkl, FOLDER/data/KEY for each storage, FOLDER/byteorder and others.
class PytorchArchive {
 public:
  explicit PytorchArchive(const InputFile& file);

  std::string read_pickle();
  bool is_loaded(size_t index) const noexcept { return index < storages_.size() && storages_[index]; }
  /// The elements of a storage, which all tensors on it share.
  Ref<Storage> storage(size_t index, const PickledStorage& description);

 private:
  std::string read_text(const ZipMember& member);
  /// Throws where deflated members would take more memory than a file of that size may.
  void count_unpacked(const ZipMember& member, uint64_t bytes);

  const InputFile& file_;
  ZipArchive archive_;
  std::string folder_;  // with the slash
  uint64_t unpacked_ = 0;
  std::vector<Ref<Storage>> storages_;
};

}  // namespace gradus::io
