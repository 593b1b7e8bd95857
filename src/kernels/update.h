#pragma once

#include <cstdint>

#include "core/isa.h"
#include "core/thread_pool.h"

namespace gradus::kernels {

/// How the gradient of an element comes about: sign grad + decay p.
template <class T>
struct Slope {
  T sign = 1;
  T decay = 0;
};

/// One pass over a parameter, its gradient and its buffers: body(p, g, buffers...) for every element, p and the buffers by reference.
template <class T, class Body, class... Buffer>
void update(int64_t n, T* param, const T* grad, const Slope<T>& slope, Body body, Buffer*... buffers) {
  parallel_for(n, elements_a_piece, [=](int64_t begin, int64_t end) {
    isa::run<T>([=] {
      GRADUS_INDEPENDENT
      for (int64_t i = begin; i < end; ++i) {
        T g = slope.sign * grad[i];
        if (slope.decay != 0) g += slope.decay * param[i];
        body(param[i], g, buffers[i]...);
      }
    });
  });
}

}  // namespace gradus::kernels
