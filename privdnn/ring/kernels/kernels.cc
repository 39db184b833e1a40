#include "privdnn/ring/kernels/kernels.h"

#include <array>
#include <cstdlib>
#include <string>

namespace privdnn {

std::span<const Kernels* const> AllKernels() {
  static const std::array<const Kernels*, 2> all = {&Avx512IfmaKernels(), &ScalarKernels()};
  return all;
}

absl::StatusOr<const Kernels*> KernelsByName(std::string_view name) {
  std::string names;
  for (const Kernels* kernels : AllKernels()) {
    if (!kernels->supported()) continue;
    if (name.empty() || name == kernels->name) return kernels;
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  return InvalidArgument("kernels '{}' are unknown or not supported by this processor; PRIVDNN_KERNEL may be: {}", name,
                         names);
}

absl::StatusOr<const Kernels*> ChooseKernels() {
  static const absl::StatusOr<const Kernels*> chosen = [] {
    const char* name = std::getenv("PRIVDNN_KERNEL");
    return KernelsByName(name ? name : "");
  }();
  return chosen;
}

}  // namespace privdnn
