// SPDX-License-Identifier: Apache-2.0
// Choosing where links cut across the tree. Private to src/policy.
#ifndef CLEAVE_POLICY_CHOOSE_SEARCH_H_
#define CLEAVE_POLICY_CHOOSE_SEARCH_H_

#include <cstddef>
#include <vector>

#include "policy/choose.h"

namespace cleave {

// Branch and bound in PCI-walk order, for any affinities, until request.budget_steps are made. `must` and
// `open` are disjoint and sorted, and more than request.size together.
Choice ChooseBySearch(const UnitTopology& topology, const ChoiceRequest& request,
                      const std::vector<size_t>& must, const std::vector<size_t>& open);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_SEARCH_H_
