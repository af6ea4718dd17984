// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BASE_CODE_PAGES_H_
#define CLEAVE_BASE_CODE_PAGES_H_

namespace cleave {

// Unmaps the pages of program code that are resident (of the program and its shared libraries), so that only
// what is run from here on comes back, page by page and from the page cache. Start-up runs through megabytes
// of parsers and initialisers that an idle daemon never needs again, and an admission through some more. Data
// and relocated tables are not touched.
//
// Threads: any; others may run meanwhile.
void DropUnusedCode();

}  // namespace cleave

#endif  // CLEAVE_BASE_CODE_PAGES_H_
