#pragma once

#include "gradus/ops/recurrent.h"
#include "kernels/recurrent.h"

namespace gradus {

/// A layer of recurrent units, on checked inputs, out of operations that can be differentiated any number of times. c0 is for an LSTM only.
RecurrentOutput composed_layer(kernels::RecurrentKind kind, const Tensor& x, const Tensor& h0, const Tensor& c0,
                               const RecurrentWeights& weights, const Tensor& lengths, bool reverse);

/// (T, B, 1): whether a row is still within its length.
Tensor mask_of(const Tensor& lengths, int64_t T);

}  // namespace gradus
