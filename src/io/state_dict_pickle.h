#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/layout.h"
#include "io/elements.h"
#include "io/pickle.h"

namespace gradus::io {

/// Elements that stand outside the pickle, in a member of the archive.
struct PickledStorage {
  std::string_view key;  // the last part of the member's name
  const ElementFormat* format = nullptr;
  int64_t numel = 0;
};

/// A tensor on one of the storages, within its bounds.
struct PickledTensor {
  size_t storage = 0;
  Layout layout;
};

/// The pickle of a state dict. It knows the names of torch that tensors are rebuilt with, and refuses all others.
class StateDictPickle final : public Unpickler {
 public:
  using Unpickler::Unpickler;

  const std::vector<PickledStorage>& storages() const noexcept { return storages_; }
  const PickledTensor& tensor(const PickleValue& v) const noexcept { return tensors_[v.payload]; }
  /// A name as Python writes it: "torch.float32".
  static std::string name_text(const PickleValue& v);

 protected:
  PickleValue name(std::string_view module, std::string_view name) override;
  PickleValue call(const PickleValue& function, const PickleValue& arguments) override;
  PickleValue outside(const PickleValue& id) override;

 private:
  PickleValue ordered_dict(const PickleValue& arguments);
  PickleValue rebuild_tensor(const PickleValue& function, const PickleValue& arguments);
  PickleValue rebuild_from_type(const PickleValue& arguments);
  size_t storage_of(const PickleValue& v, const ElementFormat* format);
  Shape sizes(const PickleValue& tuple, const char* what) const;
  /// Argument i, of that kind.
  const PickleValue& argument(const PickleValue& arguments, size_t i, Kind kind) const;

  std::vector<PickledStorage> storages_;
  std::vector<PickledTensor> tensors_;
  std::unordered_map<std::string_view, size_t> storage_by_key_;
};

}  // namespace gradus::io
