#pragma once

/// The way into OpenBLAS. A call of it takes a buffer of its own, and OpenBLAS asks the system for one until it gets it, for ever if need
/// be. So calls are let in as there are buffers for them.
namespace gradus::kernels {

/// A call into OpenBLAS while it lives. Waits for another call to end where there is no memory for one more buffer. Throws OutOfMemoryError
/// where there is none at all.
class BlasCall {
 public:
  BlasCall();
  ~BlasCall();
  BlasCall(const BlasCall&) = delete;
  BlasCall& operator=(const BlasCall&) = delete;
};

/// Has the first buffer made, while there is memory; false where there is not.
bool prepare_blas_call() noexcept;

/// Waits until no call is under way, and keeps further ones waiting. This thread then must not call.
void close_blas() noexcept;
void open_blas() noexcept;

}  // namespace gradus::kernels
