// Parallel loops on oneTBB.
#pragma once

#include <cstddef>
#include <functional>

namespace privdnn {

// Calls body(i) for i in [0, count) on up to `threads` threads (at least 1). With 1, runs on this thread, in order.
void ParallelFor(size_t count, int threads, const std::function<void(size_t)>& body);

}  // namespace privdnn
