// Handles a second Ctrl-C, for a command that must end its children and remove keys.
#pragma once

namespace privdnn {

// While this object exists, a second Ctrl-C or SIGTERM doesn't end the process at once but is recorded, so that a
// function that waits for a child can end the child, too, and remove secret files. The first one works as before. There
// can be only one such object at a time.
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
