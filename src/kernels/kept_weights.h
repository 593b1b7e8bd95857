#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/allocator.h"
#include "kernels/matrix_view.h"

namespace gradus::kernels {

/// Bytes that several may read, as long as they need them.
using SharedBytes = std::shared_ptr<const Scratch<std::byte>>;

/// The forms in which products read a weight, kept from the second time on that one is asked for while the elements stay as they are. A
/// training step asks once, of weights that change after it, and keeps nothing. It hangs on the weight's storage and counts as memory of
/// tensors.
class KeptWeights : public Attachment {
 public:
  /// Which product reads it: those of a recurrent layer's steps, blocked_gemm or bfloat16_gemm.
  enum class Reader : uint8_t { Steps, RoundedSteps, Blocked, Rounded };

  /// W[n, k], N by K, lies at w[n * n_stride + k * k_stride]; of K, `depth` are read in one pass.
  struct Form {
    Reader reader;
    const float* w;
    int64_t N, K, n_stride, k_stride, depth;

    bool operator==(const Form&) const = default;
  };

  /// Forgets all forms.
  void clear();

  /// The form's bytes, or null where it is asked for the first time in this version of the elements. `make` fills them.
  template <class Make>
  SharedBytes find(uint32_t version, const Form& form, std::size_t bytes, Make make) {
    const Found found = look(version, form);
    if (found.bytes || !found.again) return found.bytes;
    auto made = std::make_shared<const Scratch<std::byte>>(static_cast<int64_t>(bytes));
    make(made->data());
    return keep(version, form, std::move(made));
  }

 private:
  struct Entry {
    Form form;
    SharedBytes bytes;  // null after the first time
  };
  struct Found {
    SharedBytes bytes;
    bool again;
  };

  Found look(uint32_t version, const Form& form);
  SharedBytes keep(uint32_t version, const Form& form, SharedBytes made);

  uint32_t version_ = 0;
  std::vector<Entry> entries_;
};

template <class T>
const T* numbers_in(const SharedBytes& bytes) noexcept {
  return reinterpret_cast<const T*>(bytes->data());
}

/// Where a weight's forms are kept, and the version that they are asked for in; null where none are.
struct Keeper {
  KeptWeights* weights = nullptr;
  uint32_t version = 0;
  /// Nothing is recorded: weights will be met again, and rounding them to bfloat16 pays for few rows too, half of whose time it is to read
  /// them.
  bool is_inference = false;

  explicit operator bool() const noexcept { return weights; }
  /// Bytes that hold n numbers of type T, which `make` fills, or null.
  template <class T, class Make>
  SharedBytes find(const KeptWeights::Form& form, int64_t n, Make make) const {
    if (!weights) return nullptr;
    return weights->find(version, form, static_cast<std::size_t>(n) * sizeof(T), [&](std::byte* to) { make(reinterpret_cast<T*>(to)); });
  }
};

/// Of B (K, N), of which `depth` rows are read in one pass.
inline KeptWeights::Form form_of(KeptWeights::Reader reader, const MatrixView<const float>& b, int64_t depth) noexcept {
  return {reader, b.data, b.cols, b.rows, b.is_transposed() ? b.ld : 1, b.is_transposed() ? 1 : b.ld, depth};
}

}  // namespace gradus::kernels
