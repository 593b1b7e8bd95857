#pragma once

#include "gradus/nn/activation.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/loss.h"
#include "gradus/nn/module.h"
#include "gradus/nn/normalization.h"
#include "gradus/nn/rnn.h"
#include "gradus/nn/sequential.h"
