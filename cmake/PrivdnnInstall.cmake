# What `cmake --install` puts where, and what find_package(privdnn COMPONENTS ...) then finds.
include_guard(GLOBAL)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(PRIVDNN_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/privdnn)

# The export set of a folder. Sets differ in what they depend on outside: `core` needs OpenSSL, libsodium, abseil, fmt, oneTBB
# and xxHash; `service` also gRPC and SQLite; `networks` also ONNX, JSON, zlib and libjpeg; `pipeline` also LibTorch.
function(privdnn_export_set folder result)
  if(folder MATCHES "^(base|session|ring|rlwe|ot|shares|segment|package|party|sealed)$")
    set(${result} core PARENT_SCOPE)
  elseif(folder MATCHES "^(service|owner)$")
    set(${result} service PARENT_SCOPE)
  elseif(folder MATCHES "^(graph|onnx|data|partition|lifting)$")
    set(${result} networks PARENT_SCOPE)
  elseif(folder MATCHES "^(ranks|torch|selection|pipeline|attack)$")
    set(${result} pipeline PARENT_SCOPE)
  else()
    set(${result} "" PARENT_SCOPE)  # tests and programs: not installed
  endif()
endfunction()

# privdnn_install_module(NAME FOLDER SET INTERNAL): called by privdnn_module. The first module of a folder names what is
# INTERNAL in it.
function(privdnn_install_module name folder set internal)
  if(NOT set)
    privdnn_export_set(${folder} set)
  endif()
  if(NOT set OR NOT PRIVDNN_INSTALL)
    return()
  endif()
  set_target_properties(privdnn_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS privdnn_${name} EXPORT privdnn-${set} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${set})
  get_property(done GLOBAL PROPERTY PRIVDNN_HEADERS_OF_${folder})
  if(done)
    return()  # a folder with several targets
  endif()
  set_property(GLOBAL PROPERTY PRIVDNN_HEADERS_OF_${folder} TRUE)
  set(excluded "")
  foreach(header IN LISTS internal)
    list(APPEND excluded PATTERN ${header} EXCLUDE)
  endforeach()
  install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/privdnn/${folder} COMPONENT ${set}
    FILES_MATCHING PATTERN "*.h" ${excluded} PATTERN "test_*" EXCLUDE PATTERN "*_test*" EXCLUDE
    PATTERN "*_crosscheck" EXCLUDE PATTERN "testdata" EXCLUDE PATTERN "kernels/avx512*" EXCLUDE)
endfunction()

# Called once, when every module is there.
function(privdnn_install_package)
  if(NOT PRIVDNN_INSTALL OR PRIVDNN_BUILD_FUZZERS)
    return()
  endif()
  foreach(set core service networks pipeline)
    install(EXPORT privdnn-${set} NAMESPACE privdnn:: DESTINATION ${PRIVDNN_CONFIG_DIR} COMPONENT ${set})
  endforeach()
  set(PRIVDNN_HAVE_MPI OFF)
  if(MPI_C_FOUND)
    set(PRIVDNN_HAVE_MPI ON)
  endif()
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/privdnn-config.cmake.in
    ${PROJECT_BINARY_DIR}/privdnn-config.cmake INSTALL_DESTINATION ${PRIVDNN_CONFIG_DIR})
  # Before 1.0 a minor version may change anything.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/privdnn-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/privdnn-config.cmake ${PROJECT_BINARY_DIR}/privdnn-config-version.cmake
    DESTINATION ${PRIVDNN_CONFIG_DIR} COMPONENT core)
endfunction()
