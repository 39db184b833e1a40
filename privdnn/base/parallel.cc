#include "privdnn/base/parallel.h"

#ifdef __SANITIZE_THREAD__
#include <atomic>
#include <thread>
#include <vector>
#else
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

namespace privdnn {
namespace {

#ifdef __SANITIZE_THREAD__
// ThreadSanitizer does not see how oneTBB, a library without its marks, hands work from thread to thread, and takes
// that for races. With threads of our own it sees those of `body`, which are what it is for.
void Run(size_t count, int threads, const std::function<void(size_t)>& body) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) body(i);
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
}
#else
void Run(size_t count, int threads, const std::function<void(size_t)>& body) {
  tbb::task_arena arena(threads);
  arena.execute([&] { tbb::parallel_for(size_t{0}, count, body); });
}
#endif

}  // namespace

void ParallelFor(size_t count, int threads, const std::function<void(size_t)>& body) {
  if (threads <= 1 || count <= 1) {
    for (size_t i = 0; i < count; ++i) body(i);
    return;
  }
  Run(count, threads, body);
}

}  // namespace privdnn
