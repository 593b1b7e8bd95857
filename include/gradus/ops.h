#pragma once

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/convolution.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
