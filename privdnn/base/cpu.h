// What this processor can do, and how much memory this process has used.
#pragma once

#include <cstdint>
#include <string>

namespace privdnn {

// AVX-512 F, DQ, VL and IFMA, with the operating system saving their registers.
bool CpuHasAvx512Ifma();
// "Intel(R) Xeon(R) Processor" or "unknown".
std::string CpuModelName();
// The largest resident set so far of a running process, given by its id, in bytes; 0 if there is no such process.
uint64_t PeakRssBytes(const std::string& process = "self");

}  // namespace privdnn
