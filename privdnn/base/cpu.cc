#include "privdnn/base/cpu.h"

#include <cstdlib>
#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

bool CpuHasAvx512Vaes() {
#if defined(__x86_64__)
  // clang 14's run-time check knows neither VAES nor VPCLMULQDQ.
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kVaes = 1u << 9, kVpclmulqdq = 1u << 10;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("aes") &&
         __builtin_cpu_supports("pclmul") && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
         (ecx & kVaes) != 0 && (ecx & kVpclmulqdq) != 0;
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
