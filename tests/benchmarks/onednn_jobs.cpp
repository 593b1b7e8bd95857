#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "job.h"

// A GRU by oneDNN's lbr_gru (reset gate after the recurrent product, as in PyTorch), trained: the weights lie in PyTorch's layout, are
// reordered to oneDNN's own at every step, because the optimizer has changed them, and their gradients are reordered back. The inputs,
// the workspace and the gradients keep their memory from step to step. Layers whose weights have one shape share a primitive. At medium
// precision inputs, states and packed weights are of bfloat16, as oneDNN has it, and gradients of float32.

namespace bench {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

using Type = memory::data_type;

memory::desc plain(const Dims& dims, Tag tag) { return {dims, Type::f32, tag}; }

memory zeros(const memory::desc& desc) {
  memory m(desc, engine());
  std::fill_n(static_cast<char*>(m.get_data_handle()), desc.get_size(), 0);
  return m;
}
float* floats(const memory& m) { return static_cast<float*>(m.get_data_handle()); }

double total(const memory& m) {
  double sum = 0;
  const auto count = static_cast<int64_t>(m.get_desc().get_size() / sizeof(float));
  for (int64_t i = 0; i < count; ++i) sum += std::fabs(floats(m)[i]);
  return sum;
}

void convert(const memory& from, const memory& to) {
  dnnl::stream stream(engine());
  memory source = from, target = to;
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
}

/// oneDNN's gates are z, r, n where PyTorch's are r, z, n.
int64_t gate_of(int64_t torch_gate) { return torch_gate == 2 ? 2 : 1 - torch_gate; }

/// L layers of I = H inputs, or one layer. T steps, B rows.
class Layers {
 public:
  Layers(int64_t L, int64_t I, int64_t H, int64_t B, int64_t T, uint32_t salt, Type type)
      : L_(L),
        I_(I),
        H_(H),
        weights_{zeros(plain({L, 1, I, 3, H}, Tag::ldgoi)), zeros(plain({L, 1, H, 3, H}, Tag::ldgoi))},
        weight_gradients_{zeros(weights_[0].get_desc()), zeros(weights_[1].get_desc())} {
    const auto of = [](const Dims& dims, Tag tag, Type of_type) { return memory::desc(dims, of_type, tag); };
    const memory::desc dx = plain({T, B, I}, Tag::tnc), dh = plain({L, 1, B, H}, Tag::ldnc), dy = plain({T, B, H}, Tag::tnc),
                       bias = plain({L, 1, 4, H}, Tag::ldgo);
    const memory::desc x = of({T, B, I}, Tag::tnc, type), h = of({L, 1, B, H}, Tag::ldnc, type), y = of({T, B, H}, Tag::tnc, type);
    const Dims wx = {L, 1, I, 3, H}, wh = {L, 1, H, 3, H};
    const auto direction = dnnl::rnn_direction::unidirectional_left2right;
    const memory::desc any_wx = of(wx, Tag::any, type), any_wh = of(wh, Tag::any, type), any_dwx = of(wx, Tag::any, Type::f32),
                       any_dwh = of(wh, Tag::any, Type::f32);
    const dnnl::lbr_gru_forward::primitive_desc forward({dnnl::prop_kind::forward_training, direction, x, h, any_wx, any_wh, bias, y, h},
                                                        engine());
    const dnnl::lbr_gru_backward::primitive_desc backward(
        {dnnl::prop_kind::backward, direction, x, h, any_wx, any_wh, bias, y, h, dx, dh, any_dwx, any_dwh, bias, dy, dh}, engine(),
        forward);
    forward_ = dnnl::lbr_gru_forward(forward);
    backward_ = dnnl::lbr_gru_backward(backward);
    input = zeros(x), output = zeros(y), input_gradient = zeros(dx), output_gradient = zeros(dy);
    packed_ = {zeros(forward.weights_layer_desc()), zeros(forward.weights_iter_desc()), zeros(backward.weights_layer_desc()),
               zeros(backward.weights_iter_desc())};
    packed_gradients_ = {zeros(backward.diff_weights_layer_desc()), zeros(backward.diff_weights_iter_desc())};
    bias_ = zeros(bias), bias_gradient_ = zeros(bias);
    const memory start = zeros(h), start_gradient = zeros(dh), end = zeros(h), end_gradient = zeros(dh),
                 workspace = zeros(forward.workspace_desc());
    fill_weights(salt);
    forward_arguments_ = {{DNNL_ARG_SRC_LAYER, input},
                          {DNNL_ARG_SRC_ITER, start},
                          {DNNL_ARG_WEIGHTS_LAYER, packed_[0]},
                          {DNNL_ARG_WEIGHTS_ITER, packed_[1]},
                          {DNNL_ARG_BIAS, bias_},
                          {DNNL_ARG_DST_LAYER, output},
                          {DNNL_ARG_DST_ITER, end},
                          {DNNL_ARG_WORKSPACE, workspace}};
    backward_arguments_ = forward_arguments_;
    backward_arguments_[DNNL_ARG_WEIGHTS_LAYER] = packed_[2];
    backward_arguments_[DNNL_ARG_WEIGHTS_ITER] = packed_[3];
    for (const auto& [name, m] : Arguments{{DNNL_ARG_DIFF_SRC_LAYER, input_gradient},
                                           {DNNL_ARG_DIFF_SRC_ITER, start_gradient},
                                           {DNNL_ARG_DIFF_WEIGHTS_LAYER, packed_gradients_[0]},
                                           {DNNL_ARG_DIFF_WEIGHTS_ITER, packed_gradients_[1]},
                                           {DNNL_ARG_DIFF_BIAS, bias_gradient_},
                                           {DNNL_ARG_DIFF_DST_LAYER, output_gradient},
                                           {DNNL_ARG_DIFF_DST_ITER, end_gradient}})
      backward_arguments_[name] = m;
  }

  void forward(dnnl::stream& stream) {
    for (size_t i = 0; i < 4; ++i) dnnl::reorder(weights_[i % 2], packed_[i]).execute(stream, weights_[i % 2], packed_[i]);
    forward_.execute(stream, forward_arguments_);
  }
  void backward(dnnl::stream& stream) {
    // oneDNN adds to the gradients of the weights.
    for (const memory& m : {packed_gradients_[0], packed_gradients_[1], bias_gradient_})
      std::fill_n(static_cast<char*>(m.get_data_handle()), m.get_desc().get_size(), 0);
    backward_.execute(stream, backward_arguments_);
    for (size_t i = 0; i < 2; ++i)
      dnnl::reorder(packed_gradients_[i], weight_gradients_[i]).execute(stream, packed_gradients_[i], weight_gradients_[i]);
  }
  /// The sum over PyTorch's parameters; b_ih and b_hh have the same gradient but for the candidate's.
  double checksum() const {
    double sum = total(weight_gradients_[0]) + total(weight_gradients_[1]);
    for (int64_t i = 0; i < L_ * 4 * H_; ++i) sum += std::fabs(floats(bias_gradient_)[i]) * ((i / H_) % 4 < 2 ? 2 : 1);
    return sum;
  }

  memory input, output, input_gradient, output_gradient;

 private:
  void fill_weights(uint32_t salt) {
    for (int64_t layer = 0; layer < L_; ++layer, salt += 4) {
      for (size_t which : {size_t{0}, size_t{1}}) {
        const int64_t size = H_ * (which == 0 ? I_ : H_);
        std::vector<float> torch(static_cast<size_t>(3 * size));
        fill(torch.data(), 3 * size, 0.1f, salt + static_cast<uint32_t>(which));
        for (int64_t gate = 0; gate < 3; ++gate)
          std::copy_n(torch.data() + gate * size, size, floats(weights_[which]) + (layer * 3 + gate_of(gate)) * size);
      }
      std::vector<float> b_ih(static_cast<size_t>(3 * H_)), b_hh(b_ih.size());
      fill(b_ih.data(), 3 * H_, 0.1f, salt + 2);
      fill(b_hh.data(), 3 * H_, 0.1f, salt + 3);
      float* b = floats(bias_) + layer * 4 * H_;
      for (int64_t i = 0; i < 3 * H_; ++i) {
        const int64_t gate = i / H_, at = gate_of(gate) * H_ + i % H_;
        const auto from = static_cast<size_t>(i);
        b[at] = gate == 2 ? b_ih[from] : b_ih[from] + b_hh[from];
        if (gate == 2) b[at + H_] = b_hh[from];
      }
    }
  }

  int64_t L_, I_, H_;
  std::vector<memory> weights_, weight_gradients_, packed_, packed_gradients_;
  memory bias_, bias_gradient_;
  dnnl::lbr_gru_forward forward_;
  dnnl::lbr_gru_backward backward_;
  Arguments forward_arguments_, backward_arguments_;
};

struct Gru {
  dnnl::stream stream{engine()};
  std::vector<std::unique_ptr<Layers>> stack;

  Gru(const std::vector<int64_t>& s, Type type) {
    const int64_t I = s[0], H = s[1], L = s[2], B = s[3], T = s[4];
    if (I == H || L == 1) stack.push_back(std::make_unique<Layers>(L, I, H, B, T, 10, type));
    else {
      stack.push_back(std::make_unique<Layers>(1, I, H, B, T, 10, type));
      stack.push_back(std::make_unique<Layers>(L - 1, H, H, B, T, 14, type));
      replace(*stack[1], *stack[0]);
    }
    const memory x = zeros(plain({T, B, I}, Tag::tnc));
    fill(floats(x), T * B * I, 1, 1);
    convert(x, stack.front()->input);
    y_ = zeros(plain({T, B, H}, Tag::tnc));
    fill(floats(stack.back()->output_gradient), T * B * H, 1, 2);
  }
  /// The upper layers read and write the lower one's memory.
  static void replace(Layers& upper, Layers& lower) {
    upper.input.set_data_handle(lower.output.get_data_handle());
    upper.input_gradient.set_data_handle(lower.output_gradient.get_data_handle());
  }
  void run() {
    for (auto& layers : stack) layers->forward(stream);
    for (auto it = stack.rbegin(); it != stack.rend(); ++it) (*it)->backward(stream);
    stream.wait();
  }
  double checksum() const {
    convert(stack.back()->output, y_);
    double sum = total(y_) + total(stack.front()->input_gradient);
    for (const auto& layers : stack) sum += layers->checksum();
    return sum;
  }

 private:
  memory y_;  // the output as float32
};

}  // namespace

Task make_task(const Job& job) {
  const bool is_medium = job.kind == "medium gru";
  if (job.kind != "gru" && !is_medium) throw NoSuchJob("oneDNN has no " + job.kind);
  omp_set_num_threads(job.threads);
  auto gru = std::make_shared<Gru>(job.sizes, is_medium ? Type::bf16 : Type::f32);
  return {[gru] { gru->run(); }, {}, [gru] { return gru->checksum(); }};
}

std::string about() {
  const dnnl_version_t& v = *dnnl::version();
  return "oneDNN " + std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
}

size_t peak_bytes() { return 0; }

}  // namespace bench
