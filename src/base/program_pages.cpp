// SPDX-License-Identifier: Apache-2.0
#include "base/program_pages.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace cleave {
namespace {

int DropPagesOf(dl_phdr_info* object, size_t /*size*/, void* /*unused*/) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    // Mapped from its file and never written, so a dropped page is read again as it was. A writable or
    // relocated segment would lose what was written to it.
    bool never_written = segment.p_type == PT_LOAD && (segment.p_flags & PF_W) == 0;
    if (!never_written || object->dlpi_name == nullptr) continue;
    uintptr_t start = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_filesz + page - 1) & ~(page - 1);
    // What cannot be dropped (the vDSO) stays.
    void* address =
        reinterpret_cast<void*>(start);  // NOLINT(performance-no-int-to-ptr): the loader speaks so
    (void)madvise(address, end - start, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void DropUnusedPages() { dl_iterate_phdr(DropPagesOf, nullptr); }

}  // namespace cleave
