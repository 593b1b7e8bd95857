#pragma once

#include <string>
#include <vector>

namespace gradus {

/// The return addresses of the calls that led here.
std::vector<void*> call_trace();

/// A call trace as text, up to main, one line a call, without those inside this library: "train.cpp:42 in main (program +0x1234)". The line
/// needs a program built with -g, it and the names of functions that a file does not export need addr2line (binutils); without them there
/// is the file and the address in it.
std::string describe_trace(const std::vector<void*>& trace);

/// Whether errors on this thread say where they were called: GRADUS_BACKTRACE is set and not 0, or somebody wants them.
bool backtraces_wanted() noexcept;
/// Adds to the number of those on this thread who want them.
void want_backtraces(int more) noexcept;

}  // namespace gradus
