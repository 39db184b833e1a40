# Builds and runs the program of COMPONENT in SOURCE against the privdnn installed in WORK/prefix. WITHOUT:
# packages that the component must not look for. ASSETS is the program's argument.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "failed (${result}): ${line}")
  endif()
endfunction()

set(disabled "")
foreach(package IN LISTS WITHOUT)
  list(APPEND disabled -D CMAKE_DISABLE_FIND_PACKAGE_${package}=ON)
endforeach()
file(REMOVE_RECURSE ${WORK}/${COMPONENT})
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/${COMPONENT} -G Ninja -D CMAKE_BUILD_TYPE=Release
  -D CMAKE_PREFIX_PATH=${WORK}/prefix -D COMPONENT=${COMPONENT} ${disabled})
run(${CMAKE_COMMAND} --build ${WORK}/${COMPONENT})
run(${WORK}/${COMPONENT}/consumer ${ASSETS})
