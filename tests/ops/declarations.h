#pragma once

#include <string>
#include <vector>

/// A reader of C++ that knows just enough to tell which functions a file declares and defines.
namespace gradus::test {

struct Function {
  std::string name;      ///< with its class, where it is a member: "Tensor::sum"
  bool defined = false;  ///< it has a body
  bool hidden = false;   ///< in an unnamed namespace
};

/// The functions at namespace level in the text of a header or source, whatever they return; operators left out.
std::vector<Function> functions_in(const std::string& text);

}  // namespace gradus::test
