// SPDX-License-Identifier: Apache-2.0
// GetPreferredAllocation without gRPC: from device ids to units, Choose(), and back.
#ifndef CLEAVE_SERVER_PREFER_H_
#define CLEAVE_SERVER_PREFER_H_

#include <chrono>
#include <string>
#include <vector>

#include "policy/choose.h"
#include "policy/plan.h"

namespace cleave {

struct PreferRequest {
  std::vector<std::string> available;
  std::vector<std::string> must_include;
  int size = 0;
};

struct Preferred {
  std::vector<std::string> ids;  // exactly `size`, fewer only when fewer were named
  ChoiceRequest question;        // as it was put to the choice, in units
  Choice choice;
  std::string warning;  // which wish of the resource could not be kept
  // What the kubelet named and this node does not have, or has not healthy.
  std::vector<std::string> unknown;
  std::vector<std::string> unhealthy;
};

// Never fails, because an error would reject the pod. Ids that `resource` does not know: those that must be
// included come first in the answer, available ones are taken when nothing else is left; so are known ones
// that are not healthy, before them. `resource` may be null: then every id is unknown. Threads: any.
Preferred Prefer(const Resource* resource, const PreferRequest& request);

// Logs the answer for an operator who asks why: a line at debug level, with what `cleave prefer` tells (the
// next best set only where it is quickly found), and a warning of what was wrong with the question or could
// not be kept.
void LogPreferred(const Plan& plan, const std::string& resource, const PreferRequest& request,
                  const Preferred& answer, std::chrono::nanoseconds took);

}  // namespace cleave

#endif  // CLEAVE_SERVER_PREFER_H_
