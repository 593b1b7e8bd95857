#include "kernels/gru.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/blas.h"
#include "kernels/math.h"

namespace gradus::kernels {
namespace {

constexpr int64_t kGrain = 1 << 13;  // gate values that a thread takes at a time

/// Calls body(row) for every row of a step, on several threads where a step is large.
template <class Body>
void for_rows(const GruSizes& s, const Body& body) {
  parallel_for(s.B, std::max<int64_t>(kGrain / s.H, 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

/// b_ih + b_hh, each of which may be missing, for the gates where the two are only ever added.
template <class T>
std::vector<T> joint_bias(const GruWeightsView<T>& w, int64_t n) {
  std::vector<T> bias(static_cast<size_t>(n), T(0));
  for (int64_t j = 0; j < n; ++j) bias[static_cast<size_t>(j)] = (w.bias_ih ? w.bias_ih[j] : T(0)) + (w.bias_hh ? w.bias_hh[j] : T(0));
  return bias;
}

template <class T>
std::vector<T> bias_part(const T* bias, int64_t H) {
  return bias ? std::vector<T>(bias + 2 * H, bias + 3 * H) : std::vector<T>(static_cast<size_t>(H), T(0));
}

/// One row's gates and new state, the reset gate applied after the product. g holds the input's part and becomes r, z, n.
template <class T>
void gates_after(int64_t H, T* g, const T* p, const T* bias_rz, const T* bias_in, const T* bias_hn, T* inner, const T* h, T* next) {
  isa::run([=] {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < H; ++j) {
      const T r = vsigmoid(g[j] + p[j] + bias_rz[j]);
      const T z = vsigmoid(g[H + j] + p[H + j] + bias_rz[H + j]);
      const T q = p[2 * H + j] + bias_hn[j];
      const T n = vtanh(g[2 * H + j] + bias_in[j] + r * q);
      g[j] = r;
      g[H + j] = z;
      g[2 * H + j] = n;
      inner[j] = q;
      next[j] = n + z * (h[j] - n);
    }
  });
}

/// The same with the reset gate before the product, in two passes: first r, z and r * h …
template <class T>
void gates_before(int64_t H, T* g, const T* p, const T* bias_rz, T* inner, const T* h) {
  isa::run([=] {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < H; ++j) {
      const T r = vsigmoid(g[j] + p[j] + bias_rz[j]);
      g[j] = r;
      g[H + j] = vsigmoid(g[H + j] + p[H + j] + bias_rz[H + j]);
      inner[j] = r * h[j];
    }
  });
}

/// … then n and the new state.
template <class T>
void candidate_before(int64_t H, T* g, const T* q, const T* bias_n, const T* h, T* next) {
  isa::run([=] {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < H; ++j) {
      const T n = vtanh(g[2 * H + j] + bias_n[j] + q[j]);
      g[2 * H + j] = n;
      next[j] = n + g[H + j] * (h[j] - n);
    }
  });
}

/// One row's gradients. d holds (n_x, r, z, n_h) before their nonlinearities; dh, the gradient of the new state, becomes the part of the
/// old state's that does not go through a product.
template <class T>
void gradients_after(int64_t H, const T* g, const T* inner, const T* h, T* dh, T* d) {
  isa::run([=] {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < H; ++j) {
      const T r = g[j], z = g[H + j], n = g[2 * H + j];
      const T dn = dh[j] * (1 - z) * (1 - n * n);
      d[j] = dn;
      d[H + j] = dn * inner[j] * r * (1 - r);
      d[2 * H + j] = dh[j] * (h[j] - n) * z * (1 - z);
      d[3 * H + j] = dn * r;
      dh[j] *= z;
    }
  });
}

template <class T>
void gradients_before(int64_t H, const T* g, const T* h, T* dh, T* d) {
  isa::run([=] {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < H; ++j) {
      const T z = g[H + j], n = g[2 * H + j];
      const T dn = dh[j] * (1 - z) * (1 - n * n);
      d[j] = dn;
      d[2 * H + j] = dh[j] * (h[j] - n) * z * (1 - z);
      d[3 * H + j] = dn;
      dh[j] *= z;
    }
  });
}

/// After d(r * h) is known: its share of r and of the old state.
template <class T>
void reset_before(int64_t H, const T* g, const T* drh, const T* h, T* dh, T* d) {
  isa::run([=] {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < H; ++j) {
      const T r = g[j];
      d[H + j] = drh[j] * h[j] * r * (1 - r);
      dh[j] += drh[j] * r;
    }
  });
}

template <class T>
void add(int64_t n, const T* x, T* y) {
  isa::run([=] {
    for (int64_t i = 0; i < n; ++i) y[i] += x[i];
  });
}

/// sums[j] = the sum of column j of d (rows, columns), whose rows lie `stride` apart.
template <class T>
void column_sums(int64_t rows, int64_t columns, const T* d, int64_t stride, T* sums) {
  std::fill_n(sums, columns, T(0));
  for (int64_t i = 0; i < rows; ++i) add(columns, d + i * stride, sums);
}

}  // namespace

template <class T>
void gru_forward(const GruSizes& s, const T* x, const T* h0, const GruWeightsView<T>& w, const GruSaved<T>& saved, T* h_n) {
  const int64_t B = s.B, H = s.H, rows = s.T * s.B;
  // The input's part of every gate of every step, in one product.
  gemm<T>(Trans::No, Trans::Yes, rows, 3 * H, s.I, 1, x, s.I, w.weight_ih, s.I, 0, saved.gates, 3 * H);
  const std::vector<T> bias = joint_bias(w, 3 * H), bias_in = bias_part(w.bias_ih, H), bias_hn = bias_part(w.bias_hh, H);
  const int64_t width = s.reset_after ? 3 * H : 2 * H;
  std::vector<T> product(static_cast<size_t>(B * width)), candidate(s.reset_after ? 0 : static_cast<size_t>(B * H));

  const T* h = h0;
  for (int64_t i = 0; i < s.T; ++i) {
    const int64_t t = s.step(i);
    T* gates = saved.gates + t * B * 3 * H;
    T* inner = saved.inner + t * B * H;
    T* next = saved.states + t * B * H;
    gemm<T>(Trans::No, Trans::Yes, B, width, H, 1, h, H, w.weight_hh, H, 0, product.data(), width);
    for_rows(s, [&](int64_t b) {
      T* g = gates + b * 3 * H;
      const T* p = product.data() + b * width;
      if (s.reset_after) gates_after(H, g, p, bias.data(), bias_in.data(), bias_hn.data(), inner + b * H, h + b * H, next + b * H);
      else gates_before(H, g, p, bias.data(), inner + b * H, h + b * H);
    });
    if (!s.reset_after) {
      gemm<T>(Trans::No, Trans::Yes, B, H, H, 1, inner, H, w.weight_hh + 2 * H * H, H, 0, candidate.data(), H);
      for_rows(s, [&](int64_t b) {
        candidate_before(H, gates + b * 3 * H, candidate.data() + b * H, bias.data() + 2 * H, h + b * H, next + b * H);
      });
    }
    if (s.lengths)
      for (int64_t b = 0; b < B; ++b)
        if (!s.active(t, b)) std::copy_n(h + b * H, H, next + b * H);
    h = next;
  }
  std::copy_n(h, B * H, h_n);
}

template <class T>
void gru_backward(const GruSizes& s, const T* x, const T* h0, const GruWeightsView<T>& w, const GruSaved<T>& saved, const T* dy, const T* dh_n,
                  const GruGradients<T>& out) {
  const int64_t B = s.B, I = s.I, H = s.H, rows = s.T * s.B, width = 4 * H;
  std::vector<T> d(static_cast<size_t>(rows * width)), dh(static_cast<size_t>(B * H), T(0)), drh(s.reset_after ? 0 : static_cast<size_t>(B * H));
  // The states that each step started from, so that the weight gradients of all steps are single products.
  std::vector<T> before(static_cast<size_t>(rows * H));
  if (dh_n) std::copy_n(dh_n, B * H, dh.data());

  for (int64_t i = s.T - 1; i >= 0; --i) {
    const int64_t t = s.step(i);
    const T* h = i > 0 ? saved.states + s.step(i - 1) * B * H : h0;
    const T* gates = saved.gates + t * B * 3 * H;
    const T* inner = saved.inner + t * B * H;
    T* dt = d.data() + t * B * width;
    std::copy_n(h, B * H, before.data() + t * B * H);
    for_rows(s, [&](int64_t b) {
      if (!s.active(t, b)) {
        std::fill_n(dt + b * width, width, T(0));
        return;
      }
      if (dy) add(H, dy + (t * B + b) * H, dh.data() + b * H);
      if (s.reset_after) gradients_after(H, gates + b * 3 * H, inner + b * H, h + b * H, dh.data() + b * H, dt + b * width);
      else gradients_before(H, gates + b * 3 * H, h + b * H, dh.data() + b * H, dt + b * width);
    });
    if (s.reset_after) {
      gemm<T>(Trans::No, Trans::No, B, H, 3 * H, 1, dt + H, width, w.weight_hh, H, 1, dh.data(), H);
    } else {
      gemm<T>(Trans::No, Trans::No, B, H, H, 1, dt + 3 * H, width, w.weight_hh + 2 * H * H, H, 0, drh.data(), H);
      for_rows(s, [&](int64_t b) {
        if (s.active(t, b)) reset_before(H, gates + b * 3 * H, drh.data() + b * H, h + b * H, dh.data() + b * H, dt + b * width);
      });
      gemm<T>(Trans::No, Trans::No, B, H, 2 * H, 1, dt + H, width, w.weight_hh, H, 1, dh.data(), H);
    }
  }

  // d is (n_x, r, z, n_h): its last three parts meet W_hh in order, its first three meet W_ih with n in front.
  const T *dn = d.data(), *drz = d.data() + H, *dnh = d.data() + 3 * H;
  if (out.h0) std::copy(dh.begin(), dh.end(), out.h0);
  if (out.x) {
    gemm<T>(Trans::No, Trans::No, rows, I, 2 * H, 1, drz, width, w.weight_ih, I, 0, out.x, I);
    gemm<T>(Trans::No, Trans::No, rows, I, H, 1, dn, width, w.weight_ih + 2 * H * I, I, 1, out.x, I);
  }
  if (out.weight_ih) {
    gemm<T>(Trans::Yes, Trans::No, 2 * H, I, rows, 1, drz, width, x, I, 0, out.weight_ih, I);
    gemm<T>(Trans::Yes, Trans::No, H, I, rows, 1, dn, width, x, I, 0, out.weight_ih + 2 * H * I, I);
  }
  if (out.weight_hh) {
    const T* met_by_n = s.reset_after ? before.data() : saved.inner;
    gemm<T>(Trans::Yes, Trans::No, 2 * H, H, rows, 1, drz, width, before.data(), H, 0, out.weight_hh, H);
    gemm<T>(Trans::Yes, Trans::No, H, H, rows, 1, dnh, width, met_by_n, H, 0, out.weight_hh + 2 * H * H, H);
  }
  if (out.bias_ih || out.bias_hh) {
    std::vector<T> sums(static_cast<size_t>(width));
    column_sums(rows, width, d.data(), width, sums.data());
    if (out.bias_ih) {
      std::copy_n(sums.data() + H, 2 * H, out.bias_ih);
      std::copy_n(sums.data(), H, out.bias_ih + 2 * H);
    }
    if (out.bias_hh) std::copy_n(sums.data() + H, 3 * H, out.bias_hh);
  }
}

template void gru_forward(const GruSizes&, const float*, const float*, const GruWeightsView<float>&, const GruSaved<float>&, float*);
template void gru_forward(const GruSizes&, const double*, const double*, const GruWeightsView<double>&, const GruSaved<double>&, double*);
template void gru_backward(const GruSizes&, const float*, const float*, const GruWeightsView<float>&, const GruSaved<float>&, const float*,
                           const float*, const GruGradients<float>&);
template void gru_backward(const GruSizes&, const double*, const double*, const GruWeightsView<double>&, const GruSaved<double>&,
                           const double*, const double*, const GruGradients<double>&);

}  // namespace gradus::kernels
