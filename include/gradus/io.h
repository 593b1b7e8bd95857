#pragma once

#include "gradus/io/checkpoint.h"
#include "gradus/io/named_tensors.h"
#include "gradus/io/npy.h"
#include "gradus/io/pytorch.h"
#include "gradus/io/safetensors.h"
