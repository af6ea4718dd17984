// SPDX-License-Identifier: Apache-2.0
#include "base/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "base/host_root.h"
#include "base/memory_root.h"
#include "base/status.h"

namespace cleave {
namespace {

constexpr const char* kLibrary = "libarchive.so.13";  // the soname of libarchive 3.x
constexpr size_t kMostBytes = size_t{256} * 1024 * 1024;
constexpr size_t kMostEntries = 1'000'000;

// The functions of libarchive that are used here, found once.
struct Library {
#define CLEAVE_ARCHIVE_FUNCTIONS(F)          \
  F(archive_read_new)                        \
  F(archive_read_support_format_tar)         \
  F(archive_read_support_filter_gzip)        \
  F(archive_read_support_filter_zstd)        \
  F(archive_read_open_memory)                \
  F(archive_read_next_header)                \
  F(archive_read_data)                       \
  F(archive_read_free)                       \
  F(archive_errno)                           \
  F(archive_error_string)                    \
  F(archive_entry_pathname)                  \
  F(archive_entry_hardlink)                  \
  F(archive_entry_symlink)                   \
  F(archive_entry_filetype)                  \
  F(archive_entry_rdevmajor)                 \
  F(archive_entry_rdevminor)                 \
  F(archive_write_new)                       \
  F(archive_write_set_format_pax_restricted) \
  F(archive_write_add_filter_by_name)        \
  F(archive_write_open_filename)             \
  F(archive_write_header)                    \
  F(archive_write_data)                      \
  F(archive_write_close)                     \
  F(archive_write_free)                      \
  F(archive_entry_new)                       \
  F(archive_entry_free)                      \
  F(archive_entry_set_pathname)              \
  F(archive_entry_set_symlink)               \
  F(archive_entry_set_filetype)              \
  F(archive_entry_set_perm)                  \
  F(archive_entry_set_size)
#define CLEAVE_DECLARE(name) decltype(&::name) name = nullptr;
  CLEAVE_ARCHIVE_FUNCTIONS(CLEAVE_DECLARE)
#undef CLEAVE_DECLARE
};

absl::StatusOr<const Library*> Load() {
  static const absl::StatusOr<Library> loaded = []() -> absl::StatusOr<Library> {
    void* handle = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("archives need {} (Debian package libarchive13), which cannot be loaded", kLibrary));
    }
    Library library;
#define CLEAVE_FIND(name)                                                                     \
  library.name = reinterpret_cast<decltype(&::name)>(dlsym(handle, #name));                   \
  if (library.name == nullptr) {                                                              \
    return absl::FailedPreconditionError(fmt::format("{} has no function " #name, kLibrary)); \
  }
    CLEAVE_ARCHIVE_FUNCTIONS(CLEAVE_FIND)
#undef CLEAVE_FIND
    return library;
  }();
  if (!loaded.ok()) return loaded.status();
  return &*loaded;
}

std::string ErrorText(const Library& lib, archive* handle) {
  const char* text = lib.archive_error_string(handle);
  return text == nullptr ? "unknown error" : text;
}

// Without the top folder; "" for the top folder itself.
std::string BelowTop(std::string_view path) {
  std::string normal = NormalPath(path);
  size_t slash = normal.find('/');
  return slash == std::string::npos ? "" : normal.substr(slash + 1);
}

absl::StatusOr<std::string> ReadData(const Library& lib, archive* in, size_t& budget) {
  std::string data;
  char block[16384];
  while (true) {
    la_ssize_t got = lib.archive_read_data(in, block, sizeof block);
    if (got < 0) return absl::DataLossError(ErrorText(lib, in));
    if (got == 0) return data;
    if (static_cast<size_t>(got) > budget)
      return absl::ResourceExhaustedError("unpacks to more than 256 MiB");
    budget -= static_cast<size_t>(got);
    data.append(block, static_cast<size_t>(got));
  }
}

// `top`: of the entries before; "" at first.
absl::Status AddEntry(const Library& lib, archive* in, archive_entry* entry, MemoryRoot& root, size_t& budget,
                      std::string& top) {
  const char* name = lib.archive_entry_pathname(entry);
  if (name == nullptr) return absl::DataLossError("an entry without a name");
  std::string normal = NormalPath(name);
  if (normal.empty()) return absl::OkStatus();  // "./"
  std::string first = normal.substr(0, normal.find('/'));
  if (top.empty()) top = first;
  if (first == "sys" || first == "dev" || first == "proc") {
    return absl::InvalidArgumentError(
        fmt::format("holds {} at its top, where one folder should be that is the root", first));
  }
  if (first != top) {
    return absl::InvalidArgumentError(
        fmt::format("holds {} and {} at its top, where one folder should be that is the root", top, first));
  }
  std::string path = BelowTop(name);
  if (path.empty()) return absl::OkStatus();
  // A hard link has file type 0, so it is asked for first.
  if (const char* target = lib.archive_entry_hardlink(entry); target != nullptr) {
    CLEAVE_ASSIGN_OR_RETURN(std::string content, root.Read(BelowTop(target), kMostBytes));
    root.AddFile(path, std::move(content));
    return absl::OkStatus();
  }
  switch (lib.archive_entry_filetype(entry)) {
    case AE_IFDIR:
      root.AddDirectory(path);
      break;
    case AE_IFLNK: {
      const char* target = lib.archive_entry_symlink(entry);
      root.AddLink(path, target == nullptr ? "" : target);
      break;
    }
    case AE_IFCHR:
    case AE_IFBLK:
      root.AddDevice(path, {.kind = lib.archive_entry_filetype(entry) == AE_IFCHR ? FileKind::kCharDevice
                                                                                  : FileKind::kBlockDevice,
                            .major = static_cast<uint32_t>(lib.archive_entry_rdevmajor(entry)),
                            .minor = static_cast<uint32_t>(lib.archive_entry_rdevminor(entry))});
      break;
    default: {
      CLEAVE_ASSIGN_OR_RETURN(std::string content, ReadData(lib, in, budget));
      root.AddFile(path, std::move(content));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryRoot>> ReadArchiveBytes(std::string_view bytes,
                                                             const std::string& name) {
  CLEAVE_ASSIGN_OR_RETURN(const Library* lib, Load());
  std::unique_ptr<archive, decltype(lib->archive_read_free)> in(lib->archive_read_new(),
                                                                lib->archive_read_free);
  lib->archive_read_support_format_tar(in.get());
  lib->archive_read_support_filter_gzip(in.get());
  lib->archive_read_support_filter_zstd(in.get());
  if (lib->archive_read_open_memory(in.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", name, ErrorText(*lib, in.get())));
  }
  auto root = std::make_unique<MemoryRoot>();
  size_t budget = kMostBytes;
  std::string top;
  for (size_t entries = 0;; ++entries) {
    archive_entry* entry = nullptr;
    int result = lib->archive_read_next_header(in.get(), &entry);
    if (result == ARCHIVE_EOF) return root;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      return absl::InvalidArgumentError(fmt::format("{}: {}", name, ErrorText(*lib, in.get())));
    }
    if (entries > kMostEntries) return absl::ResourceExhaustedError(name + ": more than a million entries");
    CLEAVE_RETURN_IF_ERROR(Annotate(AddEntry(*lib, in.get(), entry, *root, budget, top), name));
  }
}

absl::StatusOr<std::unique_ptr<HostRoot>> ReadArchive(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path, kMostBytes);
  if (!bytes.ok()) return Annotate(bytes.status(), path);
  return ReadArchiveBytes(*bytes, path);
}

absl::Status WriteArchive(const std::string& path, const std::string& top,
                          const std::vector<ArchiveEntry>& entries) {
  CLEAVE_ASSIGN_OR_RETURN(const Library* lib, Load());
  std::unique_ptr<archive, decltype(lib->archive_write_free)> out(lib->archive_write_new(),
                                                                  lib->archive_write_free);
  std::unique_ptr<archive_entry, decltype(lib->archive_entry_free)> entry(nullptr, lib->archive_entry_free);
  auto check = [&](la_ssize_t result) {
    return result >= ARCHIVE_OK ? absl::OkStatus()
                                : absl::UnknownError(fmt::format("{}: {}", path, ErrorText(*lib, out.get())));
  };
  CLEAVE_RETURN_IF_ERROR(check(lib->archive_write_set_format_pax_restricted(out.get())));
  if (!path.ends_with(".tar")) {
    const char* filter = path.ends_with(".gz") ? "gzip" : "zstd";
    CLEAVE_RETURN_IF_ERROR(check(lib->archive_write_add_filter_by_name(out.get(), filter)));
  }
  // Its own text names the file and not the reason.
  if (lib->archive_write_open_filename(out.get(), path.c_str()) < ARCHIVE_OK) {
    const int error = lib->archive_errno(out.get());
    return ErrnoStatus(error > 0 ? error : EIO, path + ": cannot be written");
  }
  for (const ArchiveEntry& item : entries) {
    entry.reset(lib->archive_entry_new());
    lib->archive_entry_set_pathname(entry.get(), (top + "/" + item.path).c_str());
    bool is_file = item.kind != FileKind::kDirectory && item.kind != FileKind::kSymlink;
    lib->archive_entry_set_perm(entry.get(), item.kind == FileKind::kDirectory ? 0755 : 0644);
    if (item.kind == FileKind::kSymlink) {
      lib->archive_entry_set_filetype(entry.get(), AE_IFLNK);
      lib->archive_entry_set_symlink(entry.get(), item.content.c_str());
    } else {
      lib->archive_entry_set_filetype(entry.get(), is_file ? AE_IFREG : AE_IFDIR);
    }
    lib->archive_entry_set_size(entry.get(), is_file ? static_cast<la_int64_t>(item.content.size()) : 0);
    CLEAVE_RETURN_IF_ERROR(check(lib->archive_write_header(out.get(), entry.get())));
    if (is_file && !item.content.empty()) {
      CLEAVE_RETURN_IF_ERROR(
          check(lib->archive_write_data(out.get(), item.content.data(), item.content.size())));
    }
  }
  return check(lib->archive_write_close(out.get()));
}

}  // namespace cleave
