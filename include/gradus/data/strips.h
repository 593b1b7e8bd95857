#pragma once

#include <cstdint>
#include <vector>

#include "gradus/data/dataset.h"
#include "gradus/tensor.h"

namespace gradus::data {

/// How Strips cut a stream.
struct StripOptions {
  int64_t batch_size = 1;    ///< B: so many strips run side by side
  int64_t steps = 35;        ///< T: tokens of a strip in one block (bptt in PyTorch's example)
  bool batch_first = false;  ///< blocks are (B, T), not (T, B)
  bool drop_last = false;    ///< leaves out a last block of fewer than T steps
};

/// T tokens of each strip, and the ones that follow them.
struct StripBlock {
  Tensor input;        ///< (T, B) or (B, T) int64; fewer steps in the last block of an epoch, perhaps
  Tensor target;       ///< of the same shape: target[t] is the token after input[t]
  bool first = false;  ///< begins an epoch: the state is to be reset; in other blocks it is that after the block before
};

/// A long stream of tokens for a language model, as PyTorch's word_language_model example has it: cut into B strips of equal length, which
/// lie side by side and are read in blocks of T steps, so that the state of a recurrent model after one block is the one before the next.
/// What is left of the stream beyond B equal strips is not used. A dataset whose examples are whole batches, to be read in order:
///
///     data::DataLoader loader(data::Strips(tokens, {.batch_size = 20, .steps = 35}));
///     for (const auto& [input, target, first] : loader) {
///       if (first) state = {};
///       auto [logits, next] = model(input, state);
///       state = next.detach();  // truncated back-propagation
///       …
///
/// A training that is resumed inside an epoch goes on with the block after the last one and so needs the state too: save it beside the
/// rest.
class GRADUS_API Strips {
 public:
  /// tokens: (N) int64. Throws ShapeError unless it is one-dimensional, DTypeError unless it is int64; ValueError when batch_size or steps
  /// is below 1, or the stream is too short for a single block.
  explicit Strips(const Tensor& tokens, const StripOptions& options = {});

  /// The number of blocks: ceil((N / B - 1) / T), rounded down instead with drop_last; the last token of a strip is a target alone. None
  /// after it was moved from.
  int64_t size() const noexcept;
  /// Throws IndexError outside 0 … size() - 1.
  StripBlock get(int64_t i) const;

  /// A DataLoader does not shuffle them.
  static constexpr bool in_order = true;

 private:
  Tensor strips_;  // (N / B, B), or (B, N / B) with batch_first
  StripOptions options_;
  int64_t length_ = 0;  // of a strip
};

}  // namespace gradus::data
