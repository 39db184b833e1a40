// Defaults of the sanitizers' run-time library for every fuzz target: undefined behaviour ends the process, so that
// libFuzzer keeps the input, rather than being printed and passed by.
extern "C" const char* __ubsan_default_options();  // NOLINT(bugprone-reserved-identifier): the library looks for it
extern "C" const char* __ubsan_default_options() { return "halt_on_error=1:print_stacktrace=1"; }
