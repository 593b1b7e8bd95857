
#include "gradus/creation.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"
#include "ops/recurrent/recurrence_test.h"

using namespace gradus;
using namespace op_test;

namespace {

RecurrentKind gru_kind(bool reset_after) {
  RecurrentKind kind{3, false, {}, {}};
  kind.layer = [=](const Tensors& in, const Tensor& lengths, bool reverse) {
    const RecurrentOutput y = gru_layer(in[0], in[1], weights_of(kind, in), lengths, reverse, reset_after);
    return Tensors{y.output, y.h_n};
  };
  kind.step = [=](const Tensors& from_x, const Product& from_h, const Tensors& states) {
    const Tensor& h = states[0];
    const Tensor r = (from_x[0] + from_h(h, 0)).sigmoid();
    const Tensor z = (from_x[1] + from_h(h, 1)).sigmoid();
    const Tensor n = (from_x[2] + (reset_after ? r * from_h(h, 2) : from_h(r * h, 2))).tanh();
    return Tensors{(1 - z) * n + z * h};
  };
  return kind;
}

void for_both_grus(void (*check)(const RecurrentKind&)) {
  for (const bool reset_after : {true, false}) {
    CAPTURE(reset_after);
    check(gru_kind(reset_after));
  }
}

}  // namespace

TEST_CASE("a GRU layer gives what its equations give, step by step, and the same gradients") { for_both_grus(check_follows_equations); }
TEST_CASE("a GRU layer's output alone, or its last state, has gradients") { for_both_grus(check_single_results_have_gradients); }
TEST_CASE("any one input of a GRU layer may be the only one with a gradient") { for_both_grus(check_some_inputs_may_be_constant); }
TEST_CASE("a GRU layer passes gradcheck and gradgradcheck") { for_both_grus(check_passes_gradcheck); }
TEST_CASE("a GRU layer has the same gradients under create_graph") { for_both_grus(check_composed_form_agrees); }
TEST_CASE("past its length a row of a GRU layer gives 0, keeps its state and needs no input") { for_both_grus(check_past_the_length); }
TEST_CASE("a GRU layer's lengths may change after the call") { for_both_grus(check_lengths_may_change); }
TEST_CASE("a GRU layer takes tensors of any strides") { for_both_grus(check_takes_any_strides); }
TEST_CASE("a GRU layer gives the same bits for every number of threads") { for_both_grus(check_same_bits_for_all_threads); }
TEST_CASE("a GRU layer notices when an input was changed in place before backward") { for_both_grus(check_notices_changes_in_place); }

TEST_CASE("a GRU cell is one step of the layer") {
  for (const bool reset_after : {true, false}) {
    const RecurrentKind kind = gru_kind(reset_after);
    const Variant v{1, 3, 4, 5};
    const Tensors in = kind.inputs(v);
    const Tensor h = gru_cell(in[0][0], in[1], weights_of(kind, in), reset_after);
    CHECK(equal(h, kind.run(v, in)[1]));
    CHECK(allclose(h, kind.run_naively(v, in)[1], 1e-12, 1e-12));
    CHECK(autograd::gradcheck([&](const Tensors& x) { return Tensors{gru_cell(x[0][0], x[1], weights_of(kind, x), reset_after)}; }, in));
  }
}

TEST_CASE("a GRU layer without an initial state begins with zeros, in the composed form too") { for_both_grus(check_no_state_is_zeros); }

TEST_CASE("a GRU layer says which of its inputs does not fit") {
  const Variant v{4, 2, 3, 5};
  const RecurrentKind kind = gru_kind(true);
  const Tensors in = kind.inputs(v);
  const RecurrentWeights w = weights_of(kind, in);
  const auto text = [&](const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths = {}) {
    return error_of<Error>([&] { gru_layer(x, h0, weights, lengths); });
  };
  const Options f64{.dtype = float64};
  CHECK(text(zeros({4, 3}, f64), in[1], w) == "gru_layer: x has shape [4, 3], expected (steps, batch, input size)");
  CHECK(text(in[0], zeros({5}, f64), w) == "gru_layer: h0 has shape [5], expected (batch, hidden size)");
  CHECK(text(in[0], zeros({3, 5}, f64), w) == "gru_layer: h0 has shape [3, 5], expected [2, 5] for the batch of x, [4, 2, 3]");
  CHECK(text(in[0], in[1], {zeros({15, 4}, f64), in[3]}) ==
        "gru_layer: weight_ih has shape [15, 4], expected [15, 3] for input size 3 and hidden size 5");
  CHECK(text(in[0], in[1], {in[2], zeros({12, 5}, f64)}) == "gru_layer: weight_hh has shape [12, 5], expected [15, 5] for hidden size 5");
  CHECK(text(in[0], in[1], {in[2], in[3], zeros({5}, f64), {}}) == "gru_layer: bias_ih has shape [5], expected [15] for hidden size 5");
  CHECK(text(zeros({0, 2, 3}, f64), in[1], w) == "gru_layer: x has shape [0, 2, 3], no steps; give at least one");
  CHECK(text(in[0].to(float32), in[1], w) == "gru_layer: x is float32 but h0 is float64; all must have one dtype");
  CHECK(text(zeros({4, 2, 3}, {.dtype = int64}), in[1], w) == "gru_layer: x is int64; it must be float32 or float64");
  CHECK(text(in[0], {}, {in[2], zeros({15}, f64)}) == "gru_layer: weight_hh has shape [15], expected (3 * hidden size, hidden size)");
  CHECK(text(in[0], {}, {in[2], zeros({12, 5}, f64)}) == "gru_layer: weight_hh has shape [12, 5], expected [15, 5] for hidden size 5");
  CHECK(text({}, in[1], w) == "gru_layer: x is undefined; only the biases and the initial state may be left out");
  CHECK(text(in[0], in[1], w, tensor({1, 5})) == "gru_layer: length 5 at [1] is not in 0 to 4, the number of steps");
  CHECK(text(in[0], in[1], w, tensor({-1, 2})) == "gru_layer: length -1 at [0] is not in 0 to 4, the number of steps");
  CHECK(text(in[0], in[1], w, tensor({1, 2, 3})) == "gru_layer: lengths have shape [3], expected [2], one for each row of the batch");
  CHECK(text(in[0], in[1], w, tensor({1.0, 2.0})) == "gru_layer: lengths are float32; convert them with .to(gradus::int64)");
  CHECK(error_of<ShapeError>([&] { gru_cell(in[0], in[1], w); }) == "gru_cell: x has shape [4, 2, 3], expected (batch, input size)");
}
