#include "privdnn/ot/kernels/kernels.h"

#include <cstdlib>
#include <string>

namespace privdnn {

std::span<const OtKernels* const> AllOtKernels() {
  static const std::array<const OtKernels*, 3> all = {&VaesOtKernels(), &AesNiOtKernels(), &PortableOtKernels()};
  return all;
}

absl::StatusOr<const OtKernels*> ChooseOtKernels() {
  static const absl::StatusOr<const OtKernels*> chosen = []() -> absl::StatusOr<const OtKernels*> {
    const char* const given = std::getenv("PRIVDNN_OT_KERNEL");
    const std::string_view name = given == nullptr ? "" : given;
    std::string names;
    for (const OtKernels* kernels : AllOtKernels()) {
      if (!kernels->supported()) continue;
      if (name.empty() || name == kernels->name) return kernels;
      names += (names.empty() ? "" : ", ") + std::string(kernels->name);
    }
    return InvalidArgument("kernels '{}' are unknown or not supported by this processor; PRIVDNN_OT_KERNEL may be: {}",
                           name, names);
  }();
  return chosen;
}

}  // namespace privdnn
