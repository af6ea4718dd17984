# SPDX-License-Identifier: Apache-2.0
# cleave_embed(target stem FILES name=path...): makes <stem>.cpp with the function of base/embedded.h that lists these
# files, so that the binary needs nothing beside it.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
function(cleave_embed target stem)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  set(inputs "")
  foreach(pair ${ARG_FILES})
    string(REGEX REPLACE "^[^=]*=" "" path ${pair})
    list(APPEND inputs ${path})
  endforeach()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${stem}.cpp)
  add_custom_command(OUTPUT ${out}
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/cmake/embed.py ${stem} ${out} ${ARG_FILES}
    DEPENDS ${PROJECT_SOURCE_DIR}/cmake/embed.py ${inputs} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
