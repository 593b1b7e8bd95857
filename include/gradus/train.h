#pragma once

/// What a training script keeps writing: a model's table, running figures and their logs, progress, an end at the right time, means of
/// weights.
#include "gradus/train/average_checkpoints.h"
#include "gradus/train/csv_log.h"
#include "gradus/train/early_stopping.h"
#include "gradus/train/metrics.h"
#include "gradus/train/progress.h"
#include "gradus/train/summary.h"
#include "gradus/train/summary_writer.h"
