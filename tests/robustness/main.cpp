#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "robustness/child.h"

int main(int argc, char** argv) {
  if (const int code = robustness::run_scenario(argc, argv); code >= 0) return code;
  return doctest::Context(argc, argv).run();
}
