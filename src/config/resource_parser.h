// SPDX-License-Identifier: Apache-2.0
// Private to src/config.
#ifndef CLEAVE_CONFIG_RESOURCE_PARSER_H_
#define CLEAVE_CONFIG_RESOURCE_PARSER_H_

#include <toml++/toml.h>

#include <string>

#include "config/diagnostics.h"
#include "config/resource_spec.h"

namespace cleave {

// One [[resource]] table, of a profile or of the operator's file.
ResourceSpec ParseResource(const toml::table& table, const std::string& file, Diagnostics& diagnostics);

// A [container] table; `where` names it in messages.
ContainerSpec ParseContainer(const toml::table& table, const std::string& where, const std::string& file,
                             Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_RESOURCE_PARSER_H_
