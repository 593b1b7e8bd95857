#include <vector>

#include "autograd/record.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/ops/elementwise.h"
#include "ops/recurrent/layer.h"

namespace gradus {
namespace {

using kernels::RecurrentKind;
using kernels::RecurrentSizes;

/// The fused operation, as a profile and the graph show it.
Op op_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::RnnTanh:
    case RecurrentKind::RnnRelu: return Op("rnn");
    case RecurrentKind::Lstm: return Op("lstm");
    case RecurrentKind::Gru:
    case RecurrentKind::GruResetBefore: break;
  }
  return Op("gru");
}

/// What forward leaves for backward, as kernels::RecurrentSaved; undefined where the kind has no use for it.
struct SavedArrays {
  Tensor h, c, gates, inner;

  std::array<Tensor*, 4> fields() noexcept { return {&h, &c, &gates, &inner}; }
  std::array<const Tensor*, 4> fields() const noexcept { return {&h, &c, &gates, &inner}; }
};

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<std::remove_const_t<T>>() : nullptr;
}

template <class T>
kernels::RecurrentArrays<T> pointers(const LayerInputs& in) {
  const RecurrentWeights& w = in.weights;
  return {.x = data_or_null<T>(in.x),
          .h0 = data_or_null<T>(in.h0),
          .c0 = data_or_null<T>(in.c0),
          .weight_ih = data_or_null<T>(w.weight_ih),
          .weight_hh = data_or_null<T>(w.weight_hh),
          .bias_ih = data_or_null<T>(w.bias_ih),
          .bias_hh = data_or_null<T>(w.bias_hh)};
}

template <class T>
kernels::RecurrentSaved<T> pointers(const SavedArrays& saved) {
  return {data_or_null<T>(saved.h), data_or_null<T>(saved.c), data_or_null<T>(saved.gates), data_or_null<T>(saved.inner)};
}

/// Room for what forward leaves. The states (T, B, H) have room for those before the first step next to them.
SavedArrays room_for(const Op& op, RecurrentKind kind, const RecurrentSizes& s, DType dtype) {
  const bool is_gru = kind == RecurrentKind::Gru || kind == RecurrentKind::GruResetBefore, is_lstm = kind == RecurrentKind::Lstm;
  const auto states = [&] { return op.empty({s.T + 1, s.B, s.H}, dtype).narrow(0, s.reverse ? 0 : 1, s.T); };
  SavedArrays saved;
  saved.h = states();
  if (is_lstm) saved.c = states();
  if (is_gru || is_lstm) saved.gates = op.empty({s.T, s.B, kernels::gates_of(kind) * s.H}, dtype);
  if (is_gru) saved.inner = op.empty({s.T, s.B, s.H}, dtype);
  return saved;
}

/// x again, as a step of its own in the graph.
Tensor set_apart(const Tensor& x) {
  constexpr Op op("alias");
  return op.record(alias_of(x), wrt(x, [](const Tensor& dy) { return dy; }));
}

/// The gradients of a fused layer, and what they need.
class Pullback {
 public:
  Pullback(const Op& op, RecurrentKind kind, const LayerInputs& in, const SavedArrays& saved, const Tensor& lengths,
           const RecurrentSizes& s)
      : op_(op), kind_(kind), sizes_(s), lengths_(lengths) {
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i] = Saved(*in.fields()[i]);
    for (size_t i = 0; i < saved_.size(); ++i) saved_[i] = Saved(*saved.fields()[i]);
  }

  void operator()(std::span<Tensor> dy, std::span<Tensor> dx) const {
    if (recording_backward()) pull_composed(dy, dx);
    else pull_fused(dy, dx);
  }

 private:
  LayerInputs inputs() const {
    LayerInputs in;
    for (size_t i = 0; i < inputs_.size(); ++i) *in.fields()[i] = *inputs_[i];
    return in;
  }

  /// Through the composed form, itself recorded.
  void pull_composed(std::span<Tensor> dy, std::span<Tensor> dx) const {
    LayerInputs in = inputs();
    std::vector<Tensor> outputs, gradients, wanted;
    std::vector<size_t> places;
    for (size_t i = 0; i < dx.size(); ++i) {
      Tensor& x = *in.fields()[i];
      if (!x.defined()) continue;
      x = set_apart(x);  // inputs may be one tensor or depend on each other: each is to get only what reaches it through this layer
      if (!x.requires_grad()) continue;
      wanted.push_back(x);
      places.push_back(i);
    }
    const RecurrentOutput results = composed_layer(kind_, in, lengths_, sizes_.reverse);
    const Tensor* const all[] = {&results.output, &results.h_n, &results.c_n};
    for (size_t i = 0; i < dy.size(); ++i)
      if (dy[i].defined()) {
        outputs.push_back(*all[i]);
        gradients.push_back(dy[i]);
      }
    const std::vector<Tensor> found = autograd::grad(outputs, wanted, gradients, {.create_graph = true, .allow_unused = true});
    for (size_t i = 0; i < found.size(); ++i) dx[places[i]] = found[i];
  }

  void pull_fused(std::span<Tensor> dy, std::span<Tensor> dx) const {
    LayerInputs in = inputs(), gradients;
    for (size_t i = 0; i < dx.size(); ++i) {
      Tensor& x = *in.fields()[i];
      if (!x.defined()) continue;
      if (x.requires_grad()) dx[i] = *gradients.fields()[i] = op_.empty(x.shape(), x.dtype());
      x = x.contiguous();
    }
    SavedArrays saved;
    for (size_t i = 0; i < saved_.size(); ++i) *saved.fields()[i] = *saved_[i];
    std::array<Tensor, 3> dense;
    for (size_t i = 0; i < dy.size(); ++i)
      if (dy[i].defined()) dense[i] = dy[i].contiguous();
    dispatch_floating(op_, in.x.dtype(), [&]<class T>() {
      kernels::recurrent_backward<T>(kind_, sizes_, pointers<const T>(in), pointers<T>(saved),
                                     {data_or_null<const T>(dense[0]), data_or_null<const T>(dense[1]), data_or_null<const T>(dense[2])},
                                     pointers<T>(gradients));
    });
  }

  Op op_;
  RecurrentKind kind_;
  RecurrentSizes sizes_;  // its lengths are those of lengths_
  Tensor lengths_;
  std::array<Saved, 7> inputs_;
  std::array<Saved, 4> saved_;
};

}  // namespace

RecurrentOutput fused_layer(RecurrentKind kind, const LayerInputs& in, const Tensor& lengths, RecurrentSizes s) {
  s.lengths = data_or_null<const int64_t>(lengths);
  const DType dtype = in.x.dtype();
  const Op op = op_of(kind);
  RecurrentOutput y;
  y.h_n = op.empty({s.B, s.H}, dtype);
  if (in.c0.defined()) y.c_n = op.empty({s.B, s.H}, dtype);
  SavedArrays saved;
  {
    NoGradGuard no_grad;
    saved = room_for(op, kind, s, dtype);
    LayerInputs dense = in;
    for (Tensor* x : dense.fields())
      if (x->defined() && !x->is_contiguous()) *x = x->contiguous();
    dispatch_floating(op, dtype, [&]<class T>() {
      kernels::recurrent_forward<T>(kind, s, pointers<const T>(dense), pointers<T>(saved), y.h_n.data<T>(), data_or_null<T>(y.c_n));
    });
    // Past a row's length the state is frozen but the output is 0; without lengths the two are one.
    y.output = lengths.defined() ? where(mask_of(lengths, s.T), saved.h, 0.0) : saved.h;
  }
  // The states are kept under another handle: held by its own history, the output would never be freed.
  saved.h = alias_of(saved.h);
  const std::array<Tensor, 3> outputs{y.output, y.h_n, y.c_n};
  std::array<Tensor, 7> inputs;
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = *in.fields()[i];
  op.record_joint(std::span(outputs).first(y.c_n.defined() ? 3 : 2), inputs, Pullback(op, kind, in, saved, lengths, s));
  return y;
}

}  // namespace gradus
