#pragma once

#include "gradus/distributed.h"

/// What the tests that mpirun starts share.
namespace distributed_test {

/// The session of the program, in which every test case runs on all ranks together.
gradus::distributed::Session& session();

}  // namespace distributed_test
