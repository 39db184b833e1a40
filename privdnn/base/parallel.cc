#include "privdnn/base/parallel.h"

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

namespace privdnn {

void ParallelFor(size_t count, int threads, const std::function<void(size_t)>& body) {
  if (threads <= 1 || count <= 1) {
    for (size_t i = 0; i < count; ++i) body(i);
    return;
  }
  tbb::task_arena arena(threads);
  arena.execute([&] { tbb::parallel_for(size_t{0}, count, body); });
}

}  // namespace privdnn
