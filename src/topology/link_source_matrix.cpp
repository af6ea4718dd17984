// SPDX-License-Identifier: Apache-2.0
// source = "matrix": NVLink between cards, as the driver's tool prints it for people (`topo -m`):
//
//           GPU0    GPU1    NIC0    CPU Affinity    NUMA Affinity
//   GPU0     X      NV12    PXB     0-31            0
//   GPU1    NV12     X      PXB     0-31            0
//   NIC0    PXB     PXB      X
//
// NV# are # links side by side; the other words (PIX, PXB, PHB, NODE, SYS) say what the PCI tree says better.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_joining.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

constexpr size_t kMostGpus = 1024;    // the largest host has 16
constexpr int64_t kMostLinks = 1024;  // the widest GPU has 36

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Without what underlines and colours: ESC [ 4 m, also where a copy has lost the ESC.
std::string Plain(std::string_view line) {
  std::string plain;
  for (size_t i = 0; i < line.size(); ++i) {
    size_t at = i + (line[i] == '\x1b' ? 1 : 0);
    if (at < line.size() && line[at] == '[') {
      do ++at;
      while (at < line.size() && (IsDigit(line[at]) || line[at] == ';'));
      if (at < line.size() && (line[at] == 'm' || line[at] == 'K')) {
        i = at;
        continue;
      }
    }
    plain.push_back(line[i]);
  }
  return plain;
}

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (char c : Plain(line) + " ") {
    if (c != ' ' && c != '\t' && c != '\r') {
      word.push_back(c);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

// The number after `prefix`: of "GPU12" or "NV4".
std::optional<int64_t> Numbered(std::string_view prefix, std::string_view word) {
  if (!word.starts_with(prefix)) return std::nullopt;
  word.remove_prefix(prefix.size());
  if (word.size() > 4 || !std::all_of(word.begin(), word.end(), IsDigit)) return std::nullopt;
  return ParseInt(word);
}

struct Matrix {
  std::vector<int64_t> gpus;  // their numbers, ascending
  Widths widths;              // by direction, indices into gpus
};

class Parser {
 public:
  absl::StatusOr<Matrix> Parse(std::string_view text) {
    while (!text.empty()) {
      ++line_number_;
      const size_t end = std::min(text.find('\n'), text.size());
      CLEAVE_RETURN_IF_ERROR(ReadLine(Words(text.substr(0, end))));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (columns_.empty()) return Wrong("this is no matrix: no line begins with GPU0 GPU1 ...");
    for (const auto& [gpu, column] : columns_) {
      if (!rows_.contains(gpu)) return Wrong(fmt::format("there is no row of GPU{}", gpu));
    }
    Matrix matrix;
    std::map<int64_t, size_t> index;
    for (const auto& [gpu, column] : columns_) {
      index[gpu] = matrix.gpus.size();
      matrix.gpus.push_back(gpu);
    }
    for (const auto& [ends, width] : widths_) matrix.widths[{index[ends.first], index[ends.second]}] = width;
    return matrix;
  }

 private:
  absl::Status Wrong(const std::string& text) const {
    return absl::InvalidArgumentError(fmt::format("line {}: {}", std::max(line_number_, 1), text));
  }

  absl::Status ReadLine(const std::vector<std::string>& words) {
    const std::optional<int64_t> gpu = words.empty() ? std::nullopt : Numbered("GPU", words[0]);
    if (!gpu) return absl::OkStatus();  // an empty line, a NIC's row, the legend
    return columns_.empty() ? ReadHeader(words) : ReadRow(*gpu, words);
  }

  absl::Status ReadHeader(const std::vector<std::string>& words) {
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] == "X") return Wrong("a row of the matrix stands before the line that names its columns");
      const std::optional<int64_t> gpu = Numbered("GPU", words[i]);
      if (!gpu) continue;  // a NIC, or "CPU Affinity" and the like, which come after all that counts here
      if (!columns_.emplace(*gpu, i).second)
        return Wrong(fmt::format("there are two columns of GPU{}", *gpu));
      width_ = i + 1;
    }
    if (columns_.size() > kMostGpus) return Wrong(fmt::format("more than {} GPUs", kMostGpus));
    return absl::OkStatus();
  }

  absl::Status ReadRow(int64_t gpu, const std::vector<std::string>& words) {
    auto own = columns_.find(gpu);
    if (own == columns_.end()) return Wrong(fmt::format("GPU{} has a row but no column", gpu));
    if (!rows_.insert(gpu).second) return Wrong(fmt::format("GPU{} has two rows", gpu));
    if (words.size() < width_ + 1) {
      return Wrong(
          fmt::format("GPU{} has {} cells where there are {} columns", gpu, words.size() - 1, width_));
    }
    for (const auto& [other, column] : columns_) {
      const std::string& cell = words[column + 1];
      if ((cell == "X") != (other == gpu)) {
        return Wrong(fmt::format("GPU{} has '{}' in the column of GPU{}", gpu, Shown(cell), other));
      }
      const std::optional<int64_t> links = Numbered("NV", cell);
      if (!links || *links == 0) continue;
      if (*links > kMostLinks) return Wrong(fmt::format("'{}' is more than {} links", cell, kMostLinks));
      widths_[{gpu, other}] = static_cast<double>(*links);
    }
    return absl::OkStatus();
  }

  int line_number_ = 0;
  size_t width_ = 0;                   // columns up to the last GPU
  std::map<int64_t, size_t> columns_;  // of each GPU
  std::set<int64_t> rows_;
  std::map<std::pair<int64_t, int64_t>, double> widths_;
};

// The cards of a profile in the order of their addresses, which is that of the tool; -1 for one that is in
// pieces. A card in pieces is one GPU with one row, but NVLink ends at whole cards.
std::vector<int> WholeCards(const Inventory& inventory, const std::string& profile) {
  std::map<PciAddress, int> whole;
  for (const auto& [pci, cards] : CardsByAddress(inventory)) {
    for (size_t i : cards) {
      if (inventory.cards[i].profile != profile) continue;
      auto [found, is_new] = whole.emplace(pci, static_cast<int>(i));
      if (!is_new || inventory.cards[i].pieces > 1) found->second = -1;
    }
  }
  std::vector<int> result;
  for (const auto& [pci, card] : whole) result.push_back(card);
  return result;
}

}  // namespace

absl::StatusOr<std::vector<Link>> ReadMatrix(const LinkInput& input, std::vector<Oddity>& oddities) {
  CLEAVE_ASSIGN_OR_RETURN(Matrix matrix, Parser().Parse(input.text));
  Complaints complaints(input.source.path);
  std::set<std::string> profiles;
  for (const Card& card : input.inventory.cards) profiles.insert(card.profile);
  std::vector<std::vector<int>> fitting;
  std::string counts;
  for (const std::string& profile : profiles) {
    std::vector<int> cards = WholeCards(input.inventory, profile);
    counts += fmt::format(", profile {} has {} cards", profile, cards.size());
    if (cards.size() == matrix.gpus.size()) fitting.push_back(std::move(cards));
  }
  std::vector<Link> links;
  if (fitting.size() == 1) {
    const std::vector<int>& cards = fitting[0];
    const auto name = [&](size_t index) { return fmt::format("GPU{}", matrix.gpus[index]); };
    for (const auto& [ends, width] :
         BothWays(matrix.widths, std::vector<bool>(cards.size(), true), name, complaints)) {
      const auto [from, to] = std::minmax(cards[ends.first], cards[ends.second]);
      if (from < 0) continue;
      links.push_back({.from = static_cast<size_t>(from),
                       .to = static_cast<size_t>(to),
                       .kind = "nvlink",
                       .width = width});
    }
  } else {
    complaints.Add(fmt::format("it has {} GPUs{}: {}; none of its links is used", matrix.gpus.size(), counts,
                               fitting.empty() ? "no profile fits" : "more than one profile fits"));
  }
  complaints.MoveTo(oddities);
  return links;
}

}  // namespace cleave
