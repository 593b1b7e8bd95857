#include "gradus/error.h"

namespace gradus {

// Defined here so that each type has one vtable and type_info, in the library, and is caught across its border.
Error::~Error() = default;
ShapeError::~ShapeError() = default;
IndexError::~IndexError() = default;
DTypeError::~DTypeError() = default;
ValueError::~ValueError() = default;
AutogradError::~AutogradError() = default;
IoError::~IoError() = default;
StateError::~StateError() = default;
OutOfMemoryError::~OutOfMemoryError() = default;

}  // namespace gradus
