# SPDX-License-Identifier: Apache-2.0
# How every file of this project is compiled.
add_library(cleave_options INTERFACE)
target_include_directories(cleave_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(cleave_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Boost 1.74 and gRPC 1.51 are older than some of clang's warnings; they come in as system headers anyway.
  target_compile_options(cleave_options INTERFACE -Wthread-safety -Wthread-safety-beta)
else()
  # gcc 12 reports false dangling and uninitialised values inside std::regex, std::optional and absl::StatusOr at -O2.
  target_compile_options(cleave_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()

if(CLEAVE_SANITIZE)
  add_compile_options(-fsanitize=${CLEAVE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CLEAVE_SANITIZE})
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2")  # assertions of the standard library stay on
  add_compile_options(-ffunction-sections -fdata-sections -fstack-protector-strong -fstack-clash-protection
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection> -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS -g1)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections)
  include(CheckPIESupported)
  check_pie_supported()
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
