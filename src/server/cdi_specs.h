// SPDX-License-Identifier: Apache-2.0
// CDI: what a container runtime reads of our devices, one file for each kind.
// Source: container-device-interface SPEC.md, version 0.5.0; pkg/parser/parser.go (names).
#ifndef CLEAVE_SERVER_CDI_SPECS_H_
#define CLEAVE_SERVER_CDI_SPECS_H_

#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "policy/plan.h"

namespace cleave {

// How the runtime is told of a resource's devices.
enum class CdiMode {
  kOff,         // not at all: no file, plain device nodes
  kField,       // cdi_devices of the Allocate response (since Kubernetes 1.28)
  kAnnotation,  // an annotation cdi.k8s.io/... (containerd and CRI-O read it)
  kSpec,        // the file is written, and the container gets plain device nodes: others use the file
};
CdiMode CdiModeOf(const Plan& plan, const Resource& resource);

// The name of a unit's device in its kind: its id, or its card's for a share of one, in letters, digits and
// _ - . : with a letter or digit at both ends.
std::string CdiDeviceName(const Plan& plan, const Unit& unit);

// The files of a plan, and where they are. Immutable; any thread may call its methods.
class CdiSpecs {
 public:
  // `directory` "" means that CDI is not served.
  CdiSpecs(const Plan& plan, std::string directory);

  // Writes what is not yet as it should be, and removes files of ours that no kind has any more. The status
  // is the first problem; the rest is done nevertheless.
  absl::Status Write() const;

  // Makes sure that the file of `kind` is as it should be. FAILED_PRECONDITION says why not.
  absl::Status Ensure(const std::string& kind) const;

  // By file name: what it holds. For tests.
  const std::map<std::string, std::string>& files() const { return files_; }

 private:
  std::string directory_;
  std::map<std::string, std::string> files_;     // name, content
  std::set<std::string> kept_;                   // names of those that stay while they have all our devices
  std::map<std::string, std::string> problems_;  // of kinds that cannot be written
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_CDI_SPECS_H_
