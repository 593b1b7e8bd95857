#include "gradus/ops/gru.h"

#include <doctest/doctest.h>

#include "gradus/gradus.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;
using op_test::Tensors;

namespace {

struct Variant {
  int64_t T, B, I, H;
  bool reverse = false, reset_after = true, bias = true;
  std::vector<int64_t> lengths = {};

  std::string str() const {
    return Shape{T, B, I, H}.str() + (reverse ? " reverse" : "") + (reset_after ? "" : " reset before") + (bias ? "" : " without bias") +
           (lengths.empty() ? "" : " lengths " + Shape(lengths).str());
  }
  Tensor lengths_tensor() const { return lengths.empty() ? Tensor() : from_vector(lengths, {B}); }
};

const std::vector<Variant> kVariants{
    {1, 1, 1, 1},
    {5, 3, 4, 7},
    {4, 2, 3, 5, true},
    {4, 2, 3, 5, false, false},
    {4, 2, 3, 5, true, false},
    {3, 2, 5, 3, false, true, false},
    {3, 2, 5, 3, true, false, false},
    {6, 4, 3, 5, false, true, true, {3, 6, 0, 1}},
    {6, 4, 3, 5, true, true, true, {3, 6, 0, 1}},
    {6, 4, 3, 5, false, false, false, {6, 1, 2, 5}},
    {6, 4, 3, 5, true, false, true, {0, 0, 6, 4}},
    {7, 37, 9, 33},
    {3, 0, 2, 4},
};

/// x, h0, weight_ih, weight_hh, bias_ih, bias_hh; without bias only four.
Tensors inputs_of(const Variant& v, DType dtype = float64) {
  manual_seed(11);
  const auto fresh = [&](const Shape& shape) { return (randn(shape, {.dtype = dtype}) * 0.6).requires_grad_(); };
  Tensors in{fresh({v.T, v.B, v.I}), fresh({v.B, v.H}), fresh({3 * v.H, v.I}), fresh({3 * v.H, v.H})};
  if (v.bias) {
    in.push_back(fresh({3 * v.H}));
    in.push_back(fresh({3 * v.H}));
  }
  return in;
}

GRUWeights weights_of(const Tensors& in) { return {in[2], in[3], in.size() > 4 ? in[4] : Tensor(), in.size() > 4 ? in[5] : Tensor()}; }

GRUOutput layer(const Variant& v, const Tensors& in) {
  return gru_layer(in[0], in[1], weights_of(in), v.lengths_tensor(), v.reverse, v.reset_after);
}

/// One step, gate by gate as the equations in gru.h have it.
Tensor naive_step(const Variant& v, const Tensors& in, const Tensor& x, const Tensor& h) {
  const auto part = [&](const Tensor& m, int64_t gate) { return m.narrow(0, gate * v.H, v.H); };
  const auto from_x = [&](int64_t gate) {
    const Tensor y = matmul(x, part(in[2], gate).t());
    return v.bias ? y + part(in[4], gate) : y;
  };
  const auto from_h = [&](const Tensor& state, int64_t gate) {
    const Tensor y = matmul(state, part(in[3], gate).t());
    return v.bias ? y + part(in[5], gate) : y;
  };
  const Tensor r = sigmoid(from_x(0) + from_h(h, 0));
  const Tensor z = sigmoid(from_x(1) + from_h(h, 1));
  const Tensor n = tanh(from_x(2) + (v.reset_after ? r * from_h(h, 2) : from_h(r * h, 2)));
  return (1 - z) * n + z * h;
}

GRUOutput naive_layer(const Variant& v, const Tensors& in) {
  std::vector<Tensor> outputs(static_cast<size_t>(v.T));
  Tensor h = in[1];
  for (int64_t i = 0; i < v.T; ++i) {
    const int64_t t = v.reverse ? v.T - 1 - i : i;
    const Tensor next = naive_step(v, in, in[0][t], h);
    if (v.lengths.empty()) {
      outputs[static_cast<size_t>(t)] = h = next;
      continue;
    }
    const Tensor active = gt(v.lengths_tensor(), t).unsqueeze(1);
    h = where(active, next, h);
    outputs[static_cast<size_t>(t)] = where(active, next, 0.0);
  }
  return {stack(outputs), h};
}

/// The gradients of both results, weighted by fixed random numbers.
Tensors gradients(const GRUOutput& y, const Tensors& in) {
  manual_seed(12);
  const Options options{.dtype = y.output.dtype()};
  return autograd::grad({y.output, y.h_n}, in, {randn(y.output.shape(), options), randn(y.h_n.shape(), options)});
}

void check_close(const Tensor& ours, const Tensor& theirs, double tolerance) {
  REQUIRE(ours.shape().str() == theirs.shape().str());
  CHECK(allclose(ours, theirs, tolerance, tolerance));
}

/// The results and all gradients of one layer.
Tensors everything(const Variant& v, const Tensors& in) {
  const GRUOutput y = layer(v, in);
  Tensors all = gradients(y, in);
  all.push_back(y.output.detach());
  all.push_back(y.h_n.detach());
  return all;
}

bool same_bits(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].to_vector<double>() != b[i].to_vector<double>()) return false;
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("a GRU layer gives what its equations give, step by step, and the same gradients") {
  for (const Variant& v : kVariants)
    for (const DType dtype : {float64, float32}) {
      CAPTURE(v.str());
      const double tolerance = dtype == float64 ? 1e-12 : 3e-5;
      const Tensors in = inputs_of(v, dtype);
      const GRUOutput ours = layer(v, in), theirs = naive_layer(v, in);
      check_close(ours.output, theirs.output, tolerance);
      check_close(ours.h_n, theirs.h_n, tolerance);
      const Tensors a = gradients(ours, in), b = gradients(theirs, in);
      for (size_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        check_close(a[i], b[i], tolerance);
      }
    }
}

TEST_CASE("only the output, or only the last state, has gradients too") {
  const Variant v{4, 3, 2, 5, false, true, true, {4, 2, 1}};
  const Tensors in = inputs_of(v);
  const auto one = [&](const GRUOutput& y, bool last) { return autograd::grad({((last ? y.h_n : y.output) * 2).sum()}, in); };
  for (const bool last : {false, true}) {
    const Tensors a = one(layer(v, in), last), b = one(naive_layer(v, in), last);
    for (size_t i = 0; i < in.size(); ++i) check_close(a[i], b[i], 1e-12);
  }
}

TEST_CASE("a GRU layer passes gradcheck and gradgradcheck") {
  for (const Variant& v :
       {Variant{3, 2, 2, 3}, Variant{3, 2, 2, 3, true, false, true, {2, 3}}, Variant{2, 2, 3, 2, false, true, false, {1, 2}}}) {
    CAPTURE(v.str());
    const auto f = [&](const Tensors& in) {
      const GRUOutput y = layer(v, in);
      return Tensors{y.output, y.h_n};
    };
    CHECK(autograd::gradcheck(f, inputs_of(v)));
    CHECK(autograd::gradgradcheck(f, inputs_of(v)));
  }
}

TEST_CASE("past its length a row gives 0, keeps its state and needs no input") {
  const Variant v{5, 3, 2, 4, false, true, true, {2, 5, 0}};
  const Tensors in = inputs_of(v);
  const GRUOutput y = layer(v, in);
  CHECK(equal(y.output.index({Slice{2}, 0}), zeros({3, 4}, {.dtype = float64})));
  CHECK(equal(y.h_n[0], y.output.index({1, 0})));
  CHECK(equal(y.h_n[1], y.output.index({4, 1})));
  CHECK(equal(y.h_n[2], in[1][2]));

  Tensors spoiled = in;
  spoiled[0] = in[0].detach().clone();
  spoiled[0].index_put_({Slice{2}, 0}, op_test::kNan);
  spoiled[0].index_put_({Slice{}, 2}, op_test::kNan);
  spoiled[0].requires_grad_();
  const GRUOutput same = layer(v, spoiled);
  CHECK(equal(same.output, y.output));
  CHECK(equal(same.h_n, y.h_n));
  const Tensors a = gradients(y, in), b = gradients(same, spoiled);
  for (size_t i = 0; i < in.size(); ++i) CHECK(equal(a[i], b[i]));
}

TEST_CASE("lengths may change after the call") {
  const Variant v{4, 2, 2, 3, false, true, true, {2, 4}};
  const Tensors in = inputs_of(v);
  const Tensors expected = gradients(layer(v, in), in);
  const Tensor lengths = v.lengths_tensor();
  const GRUOutput y = gru_layer(in[0], in[1], weights_of(in), lengths);
  lengths.fill_(1);
  CHECK(same_bits(gradients(y, in), expected));
}

TEST_CASE("a GRU layer takes tensors of any strides") {
  const Variant v{4, 3, 2, 5};
  const Tensors in = inputs_of(v);
  Tensors strided;
  for (const Tensor& x : in) {
    Dims order;
    for (int64_t d = x.dim() - 1; d >= 0; --d) order.push_back(d);
    strided.push_back(x.detach().permute(order).clone().permute(order).requires_grad_());
  }
  CHECK(!strided[0].is_contiguous());
  CHECK(same_bits(everything(v, strided), everything(v, in)));
}

TEST_CASE("a GRU layer gives the same bits for every number of threads") {
  const int before = get_num_threads();
  const Variant variants[] = {{9, 65, 31, 63}, {6, 130, 17, 64, true, false, true}, {12, 64, 96, 128}};
  for (const Variant& v : variants) {
    CAPTURE(v.str());
    const Tensors in = inputs_of(v, float32);
    set_num_threads(1);
    const Tensors one = everything(v, in);
    for (const int threads : {2, 8}) {
      CAPTURE(threads);
      set_num_threads(threads);
      CHECK(same_bits(everything(v, in), one));
    }
  }
  set_num_threads(before);
}

TEST_CASE("a GRU cell is one step of the layer") {
  for (const bool reset_after : {true, false}) {
    const Variant v{1, 3, 4, 5, false, reset_after};
    const Tensors in = inputs_of(v);
    const Tensor h = gru_cell(in[0][0], in[1], weights_of(in), reset_after);
    CHECK(equal(h, layer(v, in).h_n));
    check_close(h, naive_step(v, in, in[0][0], in[1]), 1e-12);
    CHECK(autograd::gradcheck([&](const Tensors& x) { return Tensors{gru_cell(x[0][0], x[1], weights_of(x), reset_after)}; }, in));
  }
}

TEST_CASE("a GRU layer says which of its inputs does not fit") {
  const Variant v{4, 2, 3, 5};
  const Tensors in = inputs_of(v);
  const GRUWeights w = weights_of(in);
  const auto text = [&](const Tensor& x, const Tensor& h0, const GRUWeights& weights, const Tensor& lengths = {}) {
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
  CHECK(text({}, in[1], w) == "gru_layer: x is undefined; only the biases may be left out");
  CHECK(text(in[0], in[1], w, tensor({1, 5})) == "gru_layer: length 5 at [1] is not in 0 to 4, the number of steps");
  CHECK(text(in[0], in[1], w, tensor({-1, 2})) == "gru_layer: length -1 at [0] is not in 0 to 4, the number of steps");
  CHECK(text(in[0], in[1], w, tensor({1, 2, 3})) == "gru_layer: lengths have shape [3], expected [2], one for each row of the batch");
  CHECK(text(in[0], in[1], w, tensor({1.0, 2.0})) == "gru_layer: lengths are float32; convert them with .to(gradus::int64)");
  CHECK(error_of<ShapeError>([&] { gru_cell(in[0], in[1], w); }) == "gru_cell: x has shape [4, 2, 3], expected (batch, input size)");
}

TEST_CASE("a GRU layer notices when an input was changed in place before backward") {
  const Variant v{3, 2, 2, 3};
  const Tensors in = inputs_of(v);
  const Tensor x = in[0] * 1;
  const GRUOutput y = gru_layer(x, in[1], weights_of(in));
  x.add_(1);
  CHECK_THROWS_AS(y.output.sum().backward(), AutogradError);
}
