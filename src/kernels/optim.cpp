#include "kernels/optim.h"

#include <cmath>

#include "core/isa.h"
#include "core/thread_pool.h"

namespace gradus::kernels {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread takes at a time

template <bool nesterov, class T>
void sgd_with_buffer(int64_t n, T* param, const T* grad, T* buffer, const SgdStep& s) {
  isa::run([=, lr = static_cast<T>(s.lr), decay = static_cast<T>(s.weight_decay), keep = static_cast<T>(s.keep),
            take = static_cast<T>(s.take), momentum = static_cast<T>(s.momentum)] {
    T* __restrict p = param;
    T* __restrict b = buffer;
    for (int64_t i = 0; i < n; ++i) {
      const T g = grad[i] + decay * p[i];
      b[i] = keep * b[i] + take * g;
      p[i] -= lr * (nesterov ? g + momentum * b[i] : b[i]);
    }
  });
}

template <bool amsgrad, class T>
void adam_piece(int64_t n, T* param, const T* grad, T* first, T* second, T* largest, const AdamStep& s) {
  isa::run([=, beta1 = static_cast<T>(s.beta1), beta2 = static_cast<T>(s.beta2), rest1 = static_cast<T>(1 - s.beta1),
            rest2 = static_cast<T>(1 - s.beta2), eps = static_cast<T>(s.eps), shrink = static_cast<T>(s.shrink),
            decay = static_cast<T>(s.weight_decay), size = static_cast<T>(s.step_size), correction = static_cast<T>(s.sqrt_correction2)] {
    T* __restrict p = param;
    T* __restrict m = first;
    T* __restrict v = second;
    T* __restrict v_max = largest;
    for (int64_t i = 0; i < n; ++i) {
      const T g = grad[i] + decay * p[i];
      m[i] = beta1 * m[i] + rest1 * g;
      v[i] = beta2 * v[i] + rest2 * g * g;
      T scale = v[i];
      if constexpr (amsgrad) scale = v_max[i] = v_max[i] < scale ? scale : v_max[i];
      p[i] = shrink * p[i] - size * m[i] / (std::sqrt(scale) / correction + eps);
    }
  });
}

}  // namespace

template <class T>
void sgd(int64_t n, T* param, const T* grad, T* buffer, const SgdStep& step) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    T* p = param + begin;
    const T* g = grad + begin;
    const int64_t count = end - begin;
    if (buffer && step.nesterov) return sgd_with_buffer<true>(count, p, g, buffer + begin, step);
    if (buffer) return sgd_with_buffer<false>(count, p, g, buffer + begin, step);
    isa::run([=, lr = static_cast<T>(step.lr), decay = static_cast<T>(step.weight_decay)] {
      T* __restrict q = p;
      for (int64_t i = 0; i < count; ++i) q[i] -= lr * (g[i] + decay * q[i]);
    });
  });
}
template void sgd(int64_t, float*, const float*, float*, const SgdStep&);
template void sgd(int64_t, double*, const double*, double*, const SgdStep&);

template <class T>
void adam(int64_t n, T* param, const T* grad, T* m, T* v, T* v_max, const AdamStep& step) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    if (v_max) adam_piece<true>(end - begin, param + begin, grad + begin, m + begin, v + begin, v_max + begin, step);
    else adam_piece<false>(end - begin, param + begin, grad + begin, m + begin, v + begin, v_max, step);
  });
}
template void adam(int64_t, float*, const float*, float*, float*, float*, const AdamStep&);
template void adam(int64_t, double*, const double*, double*, double*, double*, const AdamStep&);

}  // namespace gradus::kernels
