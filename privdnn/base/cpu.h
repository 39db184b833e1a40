// Tells what this processor supports, and how much memory a process has used.
#pragma once

#include <cstdint>
#include <string>

namespace privdnn {

// Returns whether there are AVX-512 F, DQ, VL and IFMA, and the operating system saves their registers.
bool CpuHasAvx512Ifma();
// Returns whether there are AVX-512 F, DQ, BW and VL, and AES and carry-less products on its registers.
bool CpuHasAvx512Vaes();
// Returns, for example, "Intel(R) Xeon(R) Processor", or "unknown".
std::string CpuModelName();
// Returns the largest resident set so far of a running process, given by its id, in bytes; 0 if there is no such
// process.
uint64_t PeakRssBytes(const std::string& process = "self");

}  // namespace privdnn
