#pragma once

namespace gradus::autograd {

/// Whether this thread is in a checkpoint's function, which runs twice, first without recording: its numbers must be the same both times,
/// whatever guards it sets itself.
bool runs_twice() noexcept;

}  // namespace gradus::autograd
