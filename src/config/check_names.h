// SPDX-License-Identifier: Apache-2.0
// Whether what templates and tests ask for is known: attributes, settings, nodes and built-in names.
#ifndef CLEAVE_CONFIG_CHECK_NAMES_H_
#define CLEAVE_CONFIG_CHECK_NAMES_H_

#include <vector>

#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "config/resource_spec.h"

namespace cleave {

// All of a profile; also resources that are there twice.
void CheckProfile(const Profile& profile, Diagnostics& diagnostics);

// A resource, or tests, over cards of any of these profiles.
void CheckResource(const ResourceSpec& spec, const std::vector<const Profile*>& profiles,
                   Diagnostics& diagnostics);
void CheckTests(const Condition& condition, const std::vector<const Profile*>& profiles,
                Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_CHECK_NAMES_H_
