#pragma once

#include "gradus/optim/adam.h"
#include "gradus/optim/adaptive.h"
#include "gradus/optim/cycle.h"
#include "gradus/optim/ema.h"
#include "gradus/optim/optimizer.h"
#include "gradus/optim/scheduler.h"
#include "gradus/optim/sgd.h"
#include "gradus/optim/sparse_adam.h"

/// Optimizers: they change parameters along the gradients that backward left in them. Numbers are PyTorch's, to rounding.
///
/// In the formulas g is grad + λ p (-grad + λ p with `maximize`), p a parameter, γ its learning rate, and t counts its steps from 1.
namespace gradus::optim {}
