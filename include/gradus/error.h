#pragma once

#include <stdexcept>
#include <string>

#include "gradus/export.h"

namespace gradus {

/// The base of everything gradus throws. `what()` starts with the name of the operation, gives the values and
/// shapes at fault, the rule that they break, and the remedy where there is one. Made while a module is called, it puts the module's path
/// before that: "decoder.out: linear: …". With the environment variable GRADUS_BACKTRACE=1 it ends with the calls that led there.
class GRADUS_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
  ~Error() override;
};

/// Shapes, ranks or sizes that do not fit together.
class GRADUS_API ShapeError : public Error {
 public:
  using Error::Error;
  ~ShapeError() override;
};

/// An index or a dimension outside its range.
class GRADUS_API IndexError : public Error {
 public:
  using Error::Error;
  ~IndexError() override;
};

/// A dtype that the operation does not take.
class GRADUS_API DTypeError : public Error {
 public:
  using Error::Error;
  ~DTypeError() override;
};

/// A value that is not allowed: a negative probability, an empty parameter list, a division of integers by zero.
class GRADUS_API ValueError : public Error {
 public:
  using Error::Error;
  ~ValueError() override;
};

/// A misuse of the graph: no gradient to compute, a graph that was freed, a saved tensor changed in place.
class GRADUS_API AutogradError : public Error {
 public:
  using Error::Error;
  ~AutogradError() override;
};

/// A file or text that cannot be read, written or understood; names the file and, in text, the line.
class GRADUS_API IoError : public Error {
 public:
  using Error::Error;
  ~IoError() override;
};

/// An object used before it was given a value, such as an undefined Tensor.
class GRADUS_API StateError : public Error {
 public:
  using Error::Error;
  ~StateError() override;
};

/// Memory that could not be had; names the size that was asked for.
class GRADUS_API OutOfMemoryError : public Error {
 public:
  using Error::Error;
  ~OutOfMemoryError() override;
};

}  // namespace gradus
