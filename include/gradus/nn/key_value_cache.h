#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gradus/export.h"
#include "gradus/tensor.h"

namespace gradus::nn {

/// Keys and values that a MultiheadAttention has projected, kept for the queries to come. N batch, H heads, S steps, D = E / H features.
///
/// A copy shares the elements and stays what it was: what is appended to the one does not show in the other. To append n steps costs n
/// steps, whatever their number so far: memory is kept for more, and its size doubles when it is used up. One that was moved from has none.
class GRADUS_API KeyValueCache {
 public:
  /// Without steps.
  KeyValueCache() = default;
  /// keys and values (N, H, S, D); key_padding_mask (N, S), or undefined for none, as MultiheadAttentionCall has it. Throws ShapeError or
  /// DTypeError when they do not fit each other.
  KeyValueCache(const Tensor& keys, const Tensor& values, const Tensor& key_padding_mask = {});

  /// S
  int64_t steps() const noexcept { return store_ ? steps_ : 0; }
  /// N, or 0 without steps
  int64_t batch() const;
  /// (N, H, S, D), a view; undefined without steps.
  Tensor keys() const;
  Tensor values() const;
  /// (N, S), or undefined.
  Tensor key_padding_mask() const { return key_padding_mask_; }

  /// Puts more steps behind these, outside the graph: keys and values (N, H, n, D), key_padding_mask (N, n) or undefined. Throws ShapeError
  /// or DTypeError when they do not fit; then nothing was changed.
  void append(const Tensor& keys, const Tensor& values, const Tensor& key_padding_mask = {});

  /// The cache whose row i of the batch is row rows[i], int64, of this one. Where that changes nothing, as for beams that change places
  /// before the keys of one source, the elements are shared.
  KeyValueCache reorder(const Tensor& rows) const;

 private:
  struct Store;

  void check_fits(const Tensor& keys, const Tensor& values, const Tensor& key_padding_mask) const;

  std::shared_ptr<Store> store_;
  int64_t steps_ = 0;
  Tensor key_padding_mask_;
  std::vector<int64_t> origins_;  // rows with the same number are the same
};

}  // namespace gradus::nn
