#pragma once

#include "gradus/distributed/data_parallel.h"
#include "gradus/distributed/metrics.h"
#include "gradus/distributed/sampler.h"
#include "gradus/distributed/session.h"

/// More than one process, on one machine or several: what MPI's mpirun starts. A library of its own, gradus_distributed, so that only the
/// programs that use it need MPI. Among the processes each is a *rank*, 0 to size - 1.
namespace gradus::distributed {}
