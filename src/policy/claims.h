// SPDX-License-Identifier: Apache-2.0
// Private to src/policy.
#ifndef CLEAVE_POLICY_CLAIMS_H_
#define CLEAVE_POLICY_CLAIMS_H_

#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"

namespace cleave {

// Two profiles that claim one function or device node would hand it out twice: an error that names both, at
// 'profiles' in cleave.toml, else, where there is no such file, at the operator's own of the two.
void CheckClaims(const Settings& settings, const Inventory& inventory, Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CLAIMS_H_
