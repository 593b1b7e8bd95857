#pragma once

namespace gradus::autograd {

/// Whether this thread runs without recording what a checkpoint will run again, recorded: the numbers must be the same both times.
bool runs_again() noexcept;

}  // namespace gradus::autograd
