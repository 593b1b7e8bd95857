#pragma once

#include "gradus/ops/recurrent.h"
#include "ops/op_test.h"

/// What the tests of gru_layer, lstm_layer and rnn_layer share: a layer is compared with its equations, one step after the other.
namespace op_test {

struct Variant {
  int64_t T, B, I, H;
  bool reverse = false;
  bool bias = true;
  Ints lengths = {};

  std::string str() const;
  Tensor lengths_tensor() const;
};

using Product = std::function<Tensor(const Tensor& h, int64_t gate)>;

/// One kind of layer. Its inputs are x, h0, weight_ih, weight_hh, then c0 for a kind with cells, then bias_ih and bias_hh where the variant
/// has them.
struct RecurrentKind {
  int64_t gates;
  bool has_cell;
  /// The output, h_n and, with cells, c_n.
  std::function<Tensors(const Tensors& in, const Tensor& lengths, bool reverse)> layer;
  /// The states after a step, as the equations have it: from W_ih x + b_ih of the gates, W_hh h + b_hh of a gate, and the states before.
  std::function<Tensors(const Tensors& from_x, const Product& from_h, const Tensors& states)> step;

  Tensors inputs(const Variant& v, gradus::DType dtype = gradus::float64) const;
  /// bias_ih or bias_hh (i is 0 or 1), undefined where there is none.
  Tensor bias(const Tensors& in, size_t i) const;
  Tensors run(const Variant& v, const Tensors& in) const { return layer(in, v.lengths_tensor(), v.reverse); }
  Tensors run_naively(const Variant& v, const Tensors& in) const;
};

inline gradus::RecurrentWeights weights_of(const RecurrentKind& kind, const Tensors& in) {
  return {in[2], in[3], kind.bias(in, 0), kind.bias(in, 1)};
}

/// The gradients of all results, weighted by fixed random numbers.
Tensors gradients_of(const Tensors& results, const Tensors& in, bool create_graph = false);
bool same_bits(const Tensors& a, const Tensors& b);

// What every kind promises; a test case each.

void check_follows_equations(const RecurrentKind& kind);
void check_single_results_have_gradients(const RecurrentKind& kind);
void check_some_inputs_may_be_constant(const RecurrentKind& kind);
void check_passes_gradcheck(const RecurrentKind& kind);
void check_composed_form_agrees(const RecurrentKind& kind);
void check_past_the_length(const RecurrentKind& kind);
void check_lengths_may_change(const RecurrentKind& kind);
void check_takes_any_strides(const RecurrentKind& kind);
void check_same_bits_for_all_threads(const RecurrentKind& kind);
void check_notices_changes_in_place(const RecurrentKind& kind);
void check_no_state_is_zeros(const RecurrentKind& kind);

}  // namespace op_test
