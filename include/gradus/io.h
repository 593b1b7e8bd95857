#pragma once

#include "gradus/io/safetensors.h"
