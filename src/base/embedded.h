// SPDX-License-Identifier: Apache-2.0
// Files that are part of the binary; the functions that list them are generated (cmake/embed.cmake).
#ifndef CLEAVE_BASE_EMBEDDED_H_
#define CLEAVE_BASE_EMBEDDED_H_

#include <span>
#include <string_view>

namespace cleave {

struct EmbeddedFile {
  std::string_view name;
  std::string_view bytes;
};

// The shipped profiles, config/profiles/*.toml, by file name.
std::span<const EmbeddedFile> EmbeddedProfiles();

// What `cleave demo` plays: a captured machine and its configuration.
std::span<const EmbeddedFile> EmbeddedDemo();

}  // namespace cleave

#endif  // CLEAVE_BASE_EMBEDDED_H_
