#pragma once

/// Everything: `#include <gradus/gradus.h>`.
#include "gradus/about.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/memory.h"
#include "gradus/nn.h"
#include "gradus/ops.h"
#include "gradus/optim.h"
#include "gradus/parallel.h"
#include "gradus/plot.h"
#include "gradus/profiler.h"
#include "gradus/random.h"
#include "gradus/tensor.h"
#include "gradus/text.h"
