#pragma once

/// What a training script keeps writing: running figures and what they make of losses.
#include "gradus/train/metrics.h"
