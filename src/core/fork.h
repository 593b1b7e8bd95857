#pragma once

namespace gradus {

/// Everything that a child of fork() would find half done if another thread was at it. Locks are taken in this order, which is the order in
/// which one thread may hold several.
enum class ForkOrder { Gradient, Modules, Names, Generator, Pool, Blas, SmallKernels, Isa, Profile, Weights, Blocks, Count };

/// What fork() does with one of them: `before` waits until no other thread is at it, and keeps them away; `after` lets them on, in the
/// parent and in the child. `in_child` comes after that, in the child alone, which has one thread. Each may be null.
struct ForkSteps {
  void (*before)() = nullptr;
  void (*after)() = nullptr;
  void (*in_child)() = nullptr;
};

/// Has fork() go through `steps`. The value is there so that a static object can call this when the library is loaded.
bool at_fork(ForkOrder place, ForkSteps steps) noexcept;

}  // namespace gradus
