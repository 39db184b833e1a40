#include "privdnn/report/second_interrupt.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <csignal>

namespace privdnn {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};
using Handler = void (*)(int);

std::atomic<int> received{0};
std::array<Handler, kSignals.size()> before{};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler writes it");

void Count(int signal) {
  if (received.fetch_add(1) > 0) return;
  const Handler handler = before[signal == kSignals[0] ? 0 : 1];
  if (handler == SIG_IGN) return;
  if (handler == SIG_DFL) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  handler(signal);
}

}  // namespace

SecondInterrupt::SecondInterrupt(bool interrupted) {
  received = interrupted ? 1 : 0;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction now {};
    ::sigaction(kSignals[i], nullptr, &now);
    before[i] = now.sa_handler;  // set before a signal can come to Count
    std::signal(kSignals[i], Count);
  }
}

SecondInterrupt::~SecondInterrupt() {
  for (size_t i = 0; i < kSignals.size(); ++i) std::signal(kSignals[i], before[i]);
}

bool SecondInterrupt::came() const { return received.load() > 1; }

}  // namespace privdnn
