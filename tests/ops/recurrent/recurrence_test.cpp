#include "ops/recurrent/recurrence_test.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "gradus/parallel.h"
#include "gradus/random.h"

#include <cmath>

using namespace gradus;

namespace op_test {
namespace {

const std::vector<Variant> kVariants{
    {1, 1, 1, 1},
    {5, 3, 4, 7},
    {4, 2, 3, 5, true},
    {3, 2, 5, 3, false, false},
    {3, 2, 5, 3, true, false},
    {6, 4, 3, 5, false, true, {3, 6, 0, 1}},
    {6, 4, 3, 5, true, true, {3, 6, 0, 1}},
    {6, 4, 3, 5, false, false, {6, 1, 2, 5}},
    {6, 4, 3, 5, true, true, {0, 0, 6, 4}},
    {7, 37, 9, 33},
    {3, 0, 2, 4},
};

void check_close(const Tensors& ours, const Tensors& theirs, double tolerance) {
  REQUIRE(ours.size() == theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    REQUIRE(ours[i].shape().str() == theirs[i].shape().str());
    CHECK(allclose(ours[i], theirs[i], tolerance, tolerance));
  }
}

/// The results and all gradients of one layer.
Tensors everything(const RecurrentKind& kind, const Variant& v, const Tensors& in) {
  const Tensors y = kind.run(v, in);
  Tensors all = gradients_of(y, in);
  for (const Tensor& t : y) all.push_back(t.detach());
  return all;
}

}  // namespace

std::string Variant::str() const {
  return Shape{T, B, I, H}.str() + (reverse ? " reverse" : "") + (bias ? "" : " without bias") +
         (lengths.empty() ? "" : " lengths " + Shape(lengths).str());
}

Tensor Variant::lengths_tensor() const { return lengths.empty() ? Tensor() : from_vector(lengths, {B}); }

Tensors RecurrentKind::inputs(const Variant& v, DType dtype) const {
  manual_seed(11);
  const auto fresh = [&](const Shape& shape) { return (randn(shape, {.dtype = dtype}) * 0.6).requires_grad_(); };
  // Weights of this size keep the states from blowing up.
  const auto weight = [&](int64_t columns) {
    return (randn({gates * v.H, columns}, {.dtype = dtype}) / std::sqrt(static_cast<double>(columns))).requires_grad_();
  };
  Tensors in{fresh({v.T, v.B, v.I}), fresh({v.B, v.H}), weight(v.I), weight(v.H)};
  if (has_cell) in.push_back(fresh({v.B, v.H}));
  if (v.bias)
    for (int i = 0; i < 2; ++i) in.push_back(fresh({gates * v.H}));
  return in;
}

Tensor RecurrentKind::bias(const Tensors& in, size_t i) const {
  const size_t at = (has_cell ? 5 : 4) + i;
  return at < in.size() ? in[at] : Tensor();
}

Tensors RecurrentKind::run_naively(const Variant& v, const Tensors& in) const {
  const auto product = [&](const Tensor& x, const Tensor& weight, const Tensor& b, int64_t gate) {
    const Tensor y = matmul(x, weight.narrow(0, gate * v.H, v.H).t());
    return b.defined() ? y + b.narrow(0, gate * v.H, v.H) : y;
  };
  const Product from_h = [&](const Tensor& h, int64_t gate) { return product(h, in[3], bias(in, 1), gate); };
  Tensors outputs(static_cast<size_t>(v.T)), states{in[1]};
  if (has_cell) states.push_back(in[4]);
  for (int64_t i = 0; i < v.T; ++i) {
    const int64_t t = v.reverse ? v.T - 1 - i : i;
    Tensors from_x;
    for (int64_t gate = 0; gate < gates; ++gate) from_x.push_back(product(in[0][t], in[2], bias(in, 0), gate));
    const Tensors next = step(from_x, from_h, states);
    const Tensor active = (v.lengths.empty() ? full({v.B}, true) : gt(v.lengths_tensor(), t)).unsqueeze(1);
    for (size_t k = 0; k < states.size(); ++k) states[k] = where(active, next[k], states[k]);
    outputs[static_cast<size_t>(t)] = where(active, next[0], 0.0);
  }
  Tensors results{stack(outputs)};
  results.insert(results.end(), states.begin(), states.end());
  return results;
}

Tensors gradients_of(const Tensors& results, const Tensors& in, bool create_graph) {
  manual_seed(12);
  Tensors weights;
  for (const Tensor& y : results) weights.push_back(randn(y.shape(), {.dtype = y.dtype()}));
  return autograd::grad(results, in, weights, {.create_graph = create_graph});
}

bool same_bits(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].to_vector<double>() != b[i].to_vector<double>()) return false;
  return a.size() == b.size();
}

void check_follows_equations(const RecurrentKind& kind) {
  for (const Variant& v : kVariants)
    for (const DType dtype : {float64, float32}) {
      CAPTURE(v.str());
      const double tolerance = dtype == float64 ? 1e-12 : 3e-5;
      const Tensors in = kind.inputs(v, dtype);
      const Tensors ours = kind.run(v, in), theirs = kind.run_naively(v, in);
      check_close(ours, theirs, tolerance);
      check_close(gradients_of(ours, in), gradients_of(theirs, in), tolerance);
    }
}

void check_single_results_have_gradients(const RecurrentKind& kind) {
  const Variant v{4, 3, 2, 5, false, true, {4, 2, 1}};
  const Tensors in = kind.inputs(v);
  for (size_t i = 0; i < (kind.has_cell ? 3 : 2); ++i) {
    CAPTURE(i);
    check_close(gradients_of({kind.run(v, in)[i]}, in), gradients_of({kind.run_naively(v, in)[i]}, in), 1e-12);
  }
}

void check_some_inputs_may_be_constant(const RecurrentKind& kind) {
  const Variant v{4, 3, 2, 5};
  const Tensors in = kind.inputs(v), expected = gradients_of(kind.run(v, in), in);
  for (size_t i = 0; i < in.size(); ++i) {
    CAPTURE(i);
    Tensors one;
    for (size_t k = 0; k < in.size(); ++k) one.push_back(k == i ? in[k] : in[k].detach());
    for (const bool create_graph : {false, true}) check_close(gradients_of(kind.run(v, one), {one[i]}, create_graph), {expected[i]}, 1e-12);
  }
}

void check_passes_gradcheck(const RecurrentKind& kind) {
  for (const Variant& v : {Variant{3, 2, 2, 3}, Variant{3, 2, 2, 3, true, true, {2, 3}}, Variant{2, 3, 3, 2, false, false, {1, 2, 0}}}) {
    CAPTURE(v.str());
    const auto f = [&](const Tensors& in) { return kind.run(v, in); };
    CHECK(autograd::gradcheck(f, kind.inputs(v)));
    CHECK(autograd::gradgradcheck(f, kind.inputs(v)));
  }
}

void check_composed_form_agrees(const RecurrentKind& kind) {
  for (const Variant& v : kVariants) {
    CAPTURE(v.str());
    const Tensors in = kind.inputs(v), composed = gradients_of(kind.run(v, in), in, true);
    check_close(gradients_of(kind.run(v, in), in), composed, 1e-12);
    CHECK(composed[0].requires_grad());
  }
}

void check_past_the_length(const RecurrentKind& kind) {
  const Variant v{5, 3, 2, 4, false, true, {2, 5, 0}};
  const Tensors in = kind.inputs(v), y = kind.run(v, in);
  CHECK(equal(y[0].index({Slice{2}, 0}), zeros({3, 4}, {.dtype = float64})));
  CHECK(equal(y[1][0], y[0].index({1, 0})));
  CHECK(equal(y[1][1], y[0].index({4, 1})));
  CHECK(equal(y[1][2], in[1][2]));
  if (kind.has_cell) CHECK(equal(y[2][2], in[4][2]));

  Tensors spoiled = in;
  spoiled[0] = in[0].detach().clone();
  spoiled[0].index_put_({Slice{2}, 0}, kNan);
  spoiled[0].index_put_({Slice{}, 2}, kNan);
  spoiled[0].requires_grad_();
  const Tensors same = kind.run(v, spoiled);
  for (size_t i = 0; i < y.size(); ++i) CHECK(equal(same[i], y[i]));
  for (const bool create_graph : {false, true})
    check_close(gradients_of(kind.run(v, spoiled), spoiled, create_graph), gradients_of(kind.run(v, in), in), 1e-12);
}

void check_lengths_may_change(const RecurrentKind& kind) {
  const Variant v{4, 2, 2, 3, false, true, {2, 4}};
  const Tensors in = kind.inputs(v), expected = gradients_of(kind.run(v, in), in);
  const Tensor lengths = v.lengths_tensor();
  const Tensors y = kind.layer(in, lengths, v.reverse);
  lengths.fill_(1);
  CHECK(same_bits(gradients_of(y, in), expected));
}

void check_takes_any_strides(const RecurrentKind& kind) {
  const Variant v{4, 3, 2, 5};
  const Tensors in = kind.inputs(v);
  Tensors strided;
  for (const Tensor& x : in) {
    Dims order;
    for (int64_t d = x.dim() - 1; d >= 0; --d) order.push_back(d);
    strided.push_back(x.detach().permute(order).clone().permute(order).requires_grad_());
  }
  CHECK(!strided[0].is_contiguous());
  CHECK(same_bits(everything(kind, v, strided), everything(kind, v, in)));
}

void check_same_bits_for_all_threads(const RecurrentKind& kind) {
  const int before = get_num_threads();
  Variant with_lengths{6, 130, 17, 64, true};
  for (int64_t row = 0; row < with_lengths.B; ++row) with_lengths.lengths.push_back(row % (with_lengths.T + 1));
  const Variant variants[] = {{9, 65, 31, 63}, {6, 130, 17, 64, true}, {12, 64, 96, 128}, with_lengths};
  for (const Variant& v : variants) {
    CAPTURE(v.str());
    const Tensors in = kind.inputs(v, float32);
    set_num_threads(1);
    const Tensors one = everything(kind, v, in);
    for (const int threads : {2, 8}) {
      CAPTURE(threads);
      set_num_threads(threads);
      CHECK(same_bits(everything(kind, v, in), one));
    }
  }
  set_num_threads(before);
}

void check_notices_changes_in_place(const RecurrentKind& kind) {
  const Variant v{3, 2, 2, 3};
  Tensors in = kind.inputs(v);
  const Tensor x = in[0] = in[0] * 1;
  const Tensors y = kind.run(v, in);
  x.add_(1);
  CHECK_THROWS_AS(y[0].sum().backward(), AutogradError);
}

void check_no_state_is_zeros(const RecurrentKind& kind) {
  for (const Variant& v : {Variant{4, 3, 2, 5}, Variant{5, 3, 2, 4, true, true, {2, 5, 0}}}) {
    CAPTURE(v.str());
    Tensors zeroed = kind.inputs(v), left_out = zeroed, others;
    for (size_t i = 0; i < zeroed.size(); ++i) {
      if (i == 1 || (kind.has_cell && i == 4)) {
        zeroed[i] = zeros_like(zeroed[i]);
        left_out[i] = {};
      } else others.push_back(zeroed[i]);
    }
    const Tensors y = kind.run(v, left_out), same = kind.run(v, zeroed);
    CHECK(same_bits(y, same));
    CHECK(same_bits(gradients_of(y, others), gradients_of(same, others)));
    check_close(gradients_of(kind.run(v, left_out), others, true), gradients_of(kind.run(v, zeroed), others), 1e-12);
  }
}

}  // namespace op_test
