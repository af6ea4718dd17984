# SPDX-License-Identifier: Apache-2.0
# cleave_embed(target header_name FILES name=path...): makes <header_name> with `kEmbeddedFiles`, an array of
# {name, bytes}, so that the binary needs nothing beside it.
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
