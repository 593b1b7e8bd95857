#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"
#include "ops/recurrent/recurrence_test.h"

using namespace gradus;
using namespace op_test;

namespace {

RecurrentKind rnn_kind(bool use_relu) {
  RecurrentKind kind{1, false, {}, {}};
  kind.layer = [=](const Tensors& in, const Tensor& lengths, bool reverse) {
    const RecurrentOutput y = rnn_layer(in[0], in[1], weights_of(kind, in), lengths, reverse, use_relu);
    return Tensors{y.output, y.h_n};
  };
  kind.step = [=](const Tensors& from_x, const Product& from_h, const Tensors& states) {
    const Tensor sum = from_x[0] + from_h(states[0], 0);
    return Tensors{use_relu ? relu(sum) : tanh(sum)};
  };
  return kind;
}

void for_both_rnns(void (*check)(const RecurrentKind&)) {
  for (const bool use_relu : {false, true}) {
    CAPTURE(use_relu);
    check(rnn_kind(use_relu));
  }
}

}  // namespace

TEST_CASE("an RNN layer gives what its equation gives, step by step, and the same gradients") { for_both_rnns(check_follows_equations); }
TEST_CASE("an RNN layer's output alone, or its last state, has gradients") { for_both_rnns(check_single_results_have_gradients); }
TEST_CASE("any one input of an RNN layer may be the only one with a gradient") { for_both_rnns(check_some_inputs_may_be_constant); }
TEST_CASE("an RNN layer passes gradcheck and gradgradcheck") { for_both_rnns(check_passes_gradcheck); }
TEST_CASE("an RNN layer has the same gradients under create_graph") { for_both_rnns(check_composed_form_agrees); }
TEST_CASE("past its length a row of an RNN layer gives 0, keeps its state and needs no input") { for_both_rnns(check_past_the_length); }
TEST_CASE("an RNN layer's lengths may change after the call") { for_both_rnns(check_lengths_may_change); }
TEST_CASE("an RNN layer takes tensors of any strides") { for_both_rnns(check_takes_any_strides); }
TEST_CASE("an RNN layer gives the same bits for every number of threads") { for_both_rnns(check_same_bits_for_all_threads); }
TEST_CASE("an RNN layer notices when an input was changed in place before backward") { for_both_rnns(check_notices_changes_in_place); }

TEST_CASE("an RNN layer without an initial state begins with zeros, in the composed form too") { for_both_rnns(check_no_state_is_zeros); }

TEST_CASE("NaN goes through an RNN layer") {
  for (const bool use_relu : {false, true}) {
    const RecurrentKind kind = rnn_kind(use_relu);
    const Variant v{2, 1, 2, 3};
    Tensors in = kind.inputs(v);
    in[1] = full({1, 3}, kNan, {.dtype = float64});
    CHECK(all(isnan(kind.run(v, in)[0])).item<bool>());
  }
}

TEST_CASE("an RNN layer says which of its inputs does not fit") {
  const RecurrentKind kind = rnn_kind(false);
  const Variant v{4, 2, 3, 5};
  const Tensors in = kind.inputs(v);
  const auto text = [&](const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths = {}) {
    return error_of<Error>([&] { rnn_layer(x, h0, weights, lengths); });
  };
  const RecurrentWeights w = weights_of(kind, in);
  const Options f64{.dtype = float64};
  CHECK(text(in[0], zeros({3, 5}, f64), w) == "rnn_layer: h0 has shape [3, 5], expected [2, 5] for the batch of x, [4, 2, 3]");
  CHECK(text(in[0], in[1], {zeros({15, 3}, f64), in[3]}) ==
        "rnn_layer: weight_ih has shape [15, 3], expected [5, 3] for input size 3 and hidden size 5");
  CHECK(text(in[0], in[1], {in[2], in[3], {}, zeros({4}, f64)}) == "rnn_layer: bias_hh has shape [4], expected [5] for hidden size 5");
  CHECK(text(zeros({0, 2, 3}, f64), in[1], w) == "rnn_layer: x has shape [0, 2, 3], no steps; give at least one");
  CHECK(text(in[0], in[1].to(float32), w) == "rnn_layer: x is float64 but h0 is float32; all must have one dtype");
  CHECK(text(in[0], in[1], {in[2], {}}) == "rnn_layer: weight_hh is undefined; only the biases and the initial state may be left out");
  CHECK(text(in[0], in[1], w, tensor({1, 5})) == "rnn_layer: length 5 at [1] is not in 0 to 4, the number of steps");
}
