#pragma once

#include "gradus/nn/any_module.h"
#include "gradus/nn/attention.h"
#include "gradus/nn/call.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/containers.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/module.h"
#include "gradus/nn/normalization.h"
#include "gradus/nn/rnn.h"
#include "gradus/nn/sequential.h"
#include "gradus/nn/transformer.h"
