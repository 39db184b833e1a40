# Flags common to everything that is compiled here. No -march: vector kernels carry their own flags and are chosen at run time.
add_library(privdnn_flags INTERFACE)
target_compile_options(privdnn_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor)
# Our presets say so; who builds privdnn as a part of something else may have another compiler with other warnings.
if(PRIVDNN_WERROR)
  target_compile_options(privdnn_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these inside optimised standard-library code (GCC bugs 105329, 105562).
  target_compile_options(privdnn_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-error=maybe-uninitialized)
endif()
if(PRIVDNN_SANITIZE)
  add_compile_options(-fsanitize=${PRIVDNN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PRIVDNN_SANITIZE})
endif()
if(PRIVDNN_BUILD_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# privdnn_module(NAME SOURCES a.cc ... DEPENDS targets ... [INTERNAL a.h ...] [SET set]): a static library, privdnn::NAME, of files
# in the calling folder; without SOURCES, of headers alone. Whoever links it sees that folder as privdnn/FOLDER and so
# the folders of what it depends on, and no others: an include across a border does not compile. It is installed with
# the folder's headers, but for those of tests and those that are INTERNAL, in the export set SET, by default the folder's (see
# cmake/PrivdnnInstall.cmake).
function(privdnn_module name)
  cmake_parse_arguments(ARG "" "SET" "SOURCES;DEPENDS;INTERNAL" ${ARGN})
  if(ARG_SOURCES)
    set(scope PUBLIC)
    add_library(privdnn_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(privdnn_${name} PRIVATE $<BUILD_INTERFACE:privdnn_flags>)
  else()
    set(scope INTERFACE)
    add_library(privdnn_${name} INTERFACE)
  endif()
  add_library(privdnn::${name} ALIAS privdnn_${name})
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  set(view ${PROJECT_BINARY_DIR}/include/${folder})
  file(MAKE_DIRECTORY ${view}/privdnn)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/privdnn/${folder} SYMBOLIC)
  target_include_directories(privdnn_${name} ${scope} $<BUILD_INTERFACE:${view}> $<INSTALL_INTERFACE:include>)
  target_compile_features(privdnn_${name} ${scope} cxx_std_20)
  target_link_libraries(privdnn_${name} ${scope} ${ARG_DEPENDS})
  privdnn_install_module(${name} ${folder} "${ARG_SET}" "${ARG_INTERNAL}")
endfunction()

# Tests that need neither LibTorch nor gRPC also run under the sanitizers: target `sanitizer_tests`, label `sanitize`.
add_custom_target(sanitizer_tests)

# privdnn_test(NAME SOURCES a_test.cc ... DEPENDS targets ... [SANITIZE]): one GoogleTest program, one ctest entry.
function(privdnn_test name)
  if(NOT PRIVDNN_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "SANITIZE" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} privdnn_flags GTest::gmock GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SANITIZE)
    set_tests_properties(${name} PROPERTIES LABELS sanitize)
    add_dependencies(sanitizer_tests ${name})
  endif()
endfunction()

# A test that starts mpirun: it knows where that is, has the machine to itself, and counts as skipped without it.
function(privdnn_test_under_mpirun name)
  target_compile_definitions(${name} PRIVATE PRIVDNN_MPIRUN="${MPIEXEC_EXECUTABLE}")
  set_tests_properties(${name} PROPERTIES LABELS mpi RUN_SERIAL ON SKIP_REGULAR_EXPRESSION "mpirun is not here")
endfunction()
