#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"
#include "gradus/random.h"
#include "ops/recurrent/recurrence_test.h"

using namespace gradus;
using namespace op_test;

namespace {

RecurrentKind lstm() {
  RecurrentKind kind{4, true, {}, {}};
  kind.layer = [=](const Tensors& in, const Tensor& lengths, bool reverse) {
    const RecurrentOutput y = lstm_layer(in[0], in[1], in[4], weights_of(kind, in), lengths, reverse);
    return Tensors{y.output, y.h_n, y.c_n};
  };
  kind.step = [](const Tensors& from_x, const Product& from_h, const Tensors& states) {
    const auto sum = [&](int64_t gate) { return from_x[static_cast<size_t>(gate)] + from_h(states[0], gate); };
    const Tensor i = sigmoid(sum(0)), f = sigmoid(sum(1)), g = tanh(sum(2)), o = sigmoid(sum(3));
    const Tensor c = f * states[1] + i * g;
    return Tensors{o * tanh(c), c};
  };
  return kind;
}

}  // namespace

TEST_CASE("an LSTM layer gives what its equations give, step by step, and the same gradients") { check_follows_equations(lstm()); }
TEST_CASE("an LSTM layer's output alone, or its last state, or its last cell, has gradients") {
  check_single_results_have_gradients(lstm());
}
TEST_CASE("any one input of an LSTM layer may be the only one with a gradient") { check_some_inputs_may_be_constant(lstm()); }
TEST_CASE("an LSTM layer passes gradcheck and gradgradcheck") { check_passes_gradcheck(lstm()); }
TEST_CASE("an LSTM layer has the same gradients under create_graph") { check_composed_form_agrees(lstm()); }
TEST_CASE("past its length a row of an LSTM layer gives 0, keeps its state and needs no input") { check_past_the_length(lstm()); }
TEST_CASE("an LSTM layer's lengths may change after the call") { check_lengths_may_change(lstm()); }
TEST_CASE("an LSTM layer takes tensors of any strides") { check_takes_any_strides(lstm()); }
TEST_CASE("an LSTM layer gives the same bits for every number of threads") { check_same_bits_for_all_threads(lstm()); }
TEST_CASE("an LSTM layer notices when an input was changed in place before backward") { check_notices_changes_in_place(lstm()); }

TEST_CASE("a projection by the identity changes nothing in an LSTM layer") {
  for (const Variant& v : {Variant{4, 3, 2, 5}, Variant{5, 3, 2, 4, true, true, {2, 5, 0}}}) {
    CAPTURE(v.str());
    const RecurrentKind kind = lstm();
    RecurrentKind projected = kind;
    projected.layer = [=](const Tensors& in, const Tensor& lengths, bool reverse) {
      RecurrentWeights w = weights_of(kind, in);
      w.weight_hr = eye(in[1].size(1), {}, {.dtype = float64});
      const RecurrentOutput y = lstm_layer(in[0], in[1], in[4], w, lengths, reverse);
      return Tensors{y.output, y.h_n, y.c_n};
    };
    const Tensors in = kind.inputs(v), a = kind.run(v, in), b = projected.run(v, in);
    for (size_t i = 0; i < a.size(); ++i) CHECK(allclose(a[i], b[i], 1e-12, 1e-12));
    const Tensors da = gradients_of(a, in), db = gradients_of(b, in);
    for (size_t i = 0; i < in.size(); ++i) CHECK(allclose(da[i], db[i], 1e-12, 1e-12));
  }
}

TEST_CASE("an LSTM layer without initial states begins with zeros, in the composed form and with a projection too") {
  check_no_state_is_zeros(lstm());
  const Variant v{4, 3, 2, 5};
  const RecurrentKind kind = lstm();
  const Tensors in = kind.inputs(v);
  const Options f64{.dtype = float64};
  const RecurrentWeights w{in[2], randn({20, 2}, f64), in[5], in[6], randn({2, 5}, f64)};
  const RecurrentOutput y = lstm_layer(in[0], {}, {}, w), same = lstm_layer(in[0], zeros({3, 2}, f64), zeros({3, 5}, f64), w);
  CHECK(equal(y.output, same.output));
  CHECK(equal(y.c_n, same.c_n));
}

TEST_CASE("an LSTM layer says which of its inputs does not fit") {
  const RecurrentKind kind = lstm();
  const Variant v{4, 2, 3, 5};
  const Tensors in = kind.inputs(v);
  const auto text = [&](const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths = {}) {
    return error_of<Error>([&] { lstm_layer(in[0], h0, c0, weights, lengths); });
  };
  const RecurrentWeights w = weights_of(kind, in);
  const Options f64{.dtype = float64};
  CHECK(text(in[1], zeros({5}, f64), w) == "lstm_layer: h0 has shape [2, 5] and c0 [5]; without weight_hr they must be alike");
  CHECK(text(zeros({2, 4}, f64), in[4], w) == "lstm_layer: h0 has shape [2, 4] and c0 [2, 5]; without weight_hr they must be alike");
  CHECK(text(zeros({3, 5}, f64), zeros({3, 5}, f64), w) ==
        "lstm_layer: h0 has shape [3, 5], expected [2, 5] for the batch of x, [4, 2, 3]");
  CHECK(text(in[1], in[4].to(float32), w) == "lstm_layer: x is float64 but c0 is float32; all must have one dtype");
  CHECK(text(in[1], in[4], {in[2], zeros({20, 4}, f64)}) == "lstm_layer: weight_hh has shape [20, 4], expected [20, 5] for hidden size 5");
  CHECK(text(in[1], in[4], w, tensor({-1, 4})) == "lstm_layer: length -1 at [0] is not in 0 to 4, the number of steps");

  const auto projected = [&](const Tensor& weight_hh, const Tensor& weight_hr) {
    return text(zeros({2, 4}, f64), in[4], {in[2], weight_hh, {}, {}, weight_hr});
  };
  CHECK(projected(in[3], zeros({4, 5}, f64)) ==
        "lstm_layer: weight_hh has shape [20, 5], expected [20, 4] for hidden size 5 and projection size 4");
  CHECK(projected(zeros({20, 4}, f64), zeros({5, 4}, f64)) ==
        "lstm_layer: weight_hr has shape [5, 4], expected [4, 5] for projection size 4 and hidden size 5");
  CHECK(projected(zeros({20, 4}, f64), zeros({4, 5})) == "lstm_layer: x is float64 but weight_hr is float32; all must have one dtype");
  CHECK(error_of<StateError>([&] { lstm_layer(in[0], in[1], {}, w); }) == "lstm_layer: c0 is undefined; give both h0 and c0, or neither");
}
