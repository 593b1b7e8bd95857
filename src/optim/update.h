#pragma once

#include <utility>

#include "autograd/tensor_impl.h"
#include "core/dispatch.h"
#include "kernels/update.h"

namespace gradus::optim {

/// Calls make.operator()<T>() for the parameter's type; it returns the body that changes one element: body(p, g, buffers...), with the
/// first `count` buffers of the update. g is grad + weight_decay p, -grad + weight_decay p with maximize, where the options have these.
template <size_t count, class Options, class Make>
void update_elements(const Options& o, const auto& u, Make make) {
  dispatch_floating(Options::name, u.param.dtype(), [&]<class T>() {
    kernels::Slope<T> slope;
    if constexpr (requires { o.maximize; }) slope.sign = o.maximize ? T(-1) : T(1);
    if constexpr (requires { o.weight_decay; }) slope.decay = static_cast<T>(o.weight_decay);
    [&]<size_t... I>(std::index_sequence<I...>) {
      kernels::update(u.param.numel(), elements<T>(u.param), elements<T>(u.grad), slope, make.template operator()<T>(),
                      elements<T>(u.buffers[I])...);
    }
    (std::make_index_sequence<count>());
  });
}

}  // namespace gradus::optim
