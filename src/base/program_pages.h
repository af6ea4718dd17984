// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BASE_PROGRAM_PAGES_H_
#define CLEAVE_BASE_PROGRAM_PAGES_H_

namespace cleave {

// Unmaps the resident pages of the program and its shared libraries that are never written: code, constants
// and the linker's tables. Only what is used from here on comes back, page by page and from the page cache.
// Start-up runs through megabytes of parsers, initialisers and symbol tables that an idle daemon never needs
// again, and an admission through some more. Data and relocated tables are not touched.
//
// Threads: any; others may run meanwhile.
void DropUnusedPages();

}  // namespace cleave

#endif  // CLEAVE_BASE_PROGRAM_PAGES_H_
