// A second Ctrl-C, for a command with children and keys to take along.
#pragma once

namespace privdnn {

// While it lives, a second Ctrl-C or SIGTERM doesn't end the process at once but is noted, so that whoever waits for a
// child can end that, too, and remove what is secret. The first does what it did before. One at a time.
class SecondInterrupt {
 public:
  // `interrupted`: whether the first has come already.
  explicit SecondInterrupt(bool interrupted);
  SecondInterrupt(const SecondInterrupt&) = delete;
  SecondInterrupt& operator=(const SecondInterrupt&) = delete;
  ~SecondInterrupt();
  bool came() const;
};

}  // namespace privdnn
