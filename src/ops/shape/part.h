#pragma once

#include "autograd/op.h"
#include "core/layout.h"
#include "ops/shape/restride.h"

namespace gradus {

/// A view of elements of x, cut out of its layout by `cut(op, layout)`. Its gradient stands in zeros, at the places that the same cut of a
/// dense layout gives: it goes to the elements that the view shows, also where elements of x share a place.
template <class Cut>
Tensor part(Op op, const Tensor& x, Cut cut) {
  const Layout& layout = impl_of(op, x).layout;
  const Layout whole{layout.shape, contiguous_strides(layout.shape), 0};
  const Layout window = cut(op, whole);
  return op.record(view_of(x, cut(op, layout)), wrt(x, [whole, window](const Tensor& dy) { return restride(dy, window, whole); }));
}

}  // namespace gradus
