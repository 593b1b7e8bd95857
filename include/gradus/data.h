#pragma once

/// Data in batches: a Dataset of examples, a DataLoader that gathers them by a sampler, and what brings sequences to one length.
#include "gradus/data/buckets.h"
#include "gradus/data/dataset.h"
#include "gradus/data/loader.h"
#include "gradus/data/pad_sequence.h"
#include "gradus/data/sampler.h"
#include "gradus/data/split.h"
#include "gradus/data/strips.h"
