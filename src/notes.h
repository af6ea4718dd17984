// SPDX-License-Identifier: Apache-2.0
// What is no mistake for certain and worth knowing all the same. One file serves many nodes, so that what has
// no use here may have one elsewhere.
#ifndef CLEAVE_NOTES_H_
#define CLEAVE_NOTES_H_

#include "config/diagnostics.h"
#include "node_view.h"

namespace cleave {

// Adds all notes on this node and its configuration: names in cleave.toml that nothing here has, parts of the
// operator's own profiles that no card needs, and what a picture of a machine lacks. `options`: how `view`
// came about. May look at the machine once more.
void FindNotes(const NodeView& view, const NodeOptions& options, Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_NOTES_H_
