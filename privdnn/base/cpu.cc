#include "privdnn/base/cpu.h"

#include <cstdlib>
#include <fstream>

namespace privdnn {

bool CpuHasAvx512Ifma() {
#if defined(__x86_64__)
  // GCC's run-time check covers CPUID and XGETBV.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512ifma");
#else
  return false;
#endif
}

std::string CpuModelName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) {
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "unknown";
}

uint64_t PeakRssBytes(const std::string& process) {
  // Not getrusage's ru_maxrss: Linux lets a process inherit that from the one that started it.
  std::ifstream in("/proc/" + process + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace privdnn
