// SPDX-License-Identifier: Apache-2.0
// source = "matrix".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/topology/links.h"

namespace cleave {
namespace {

using testing::CardsAt;
using ::testing::ElementsAre;
using testing::FindLinks;
using testing::Found;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Found Matrix(const Inventory& inventory, const std::string& text) {
  return FindLinks("matrix", inventory, text);
}

// `count` cards at 0000:10:00.0, 0000:11:00.0, ...
Inventory Cards(size_t count) {
  std::vector<std::string> addresses;
  for (size_t i = 0; i < count; ++i)
    addresses.push_back(PciAddress{0, static_cast<uint32_t>(0x10 + i), 0, 0}.ToString());
  return CardsAt(addresses);
}

// Widths as a matrix: a row of digits for each card, '.' for none.
std::vector<std::string> Shape(const Inventory& inventory, const Found& found) {
  std::vector<std::string> rows(inventory.cards.size(), std::string(inventory.cards.size(), '.'));
  for (const Link& link : found.links) {
    rows[link.from][link.to] = rows[link.to][link.from] =
        static_cast<char>('0' + static_cast<int>(link.width));
  }
  return rows;
}

// Eight GPUs in a hybrid cube mesh, as an older tool prints them: columns of NICs with names, no NUMA.
constexpr char kCubeMesh[] =
    "\tGPU0\tGPU1\tGPU2\tGPU3\tGPU4\tGPU5\tGPU6\tGPU7\tmlx5_0\tmlx5_2\tCPU Affinity\n"
    "GPU0\t X \tNV1\tNV1\tNV2\tNV2\tSYS\tSYS\tSYS\tPIX\tPHB\t0-19,40-59\n"
    "GPU1\tNV1\t X \tNV2\tNV1\tSYS\tNV2\tSYS\tSYS\tPIX\tPHB\t0-19,40-59\n"
    "GPU2\tNV1\tNV2\t X \tNV2\tSYS\tSYS\tNV1\tSYS\tPHB\tPIX\t0-19,40-59\n"
    "GPU3\tNV2\tNV1\tNV2\t X \tSYS\tSYS\tSYS\tNV1\tPHB\tPIX\t0-19,40-59\n"
    "GPU4\tNV2\tSYS\tSYS\tSYS\t X \tNV1\tNV1\tNV2\tSYS\tSYS\t20-39,60-79\n"
    "GPU5\tSYS\tNV2\tSYS\tSYS\tNV1\t X \tNV2\tNV1\tSYS\tSYS\t20-39,60-79\n"
    "GPU6\tSYS\tSYS\tNV1\tSYS\tNV1\tNV2\t X \tNV2\tSYS\tSYS\t20-39,60-79\n"
    "GPU7\tSYS\tSYS\tSYS\tNV1\tNV2\tNV1\tNV2\t X \tSYS\tSYS\t20-39,60-79\n"
    "mlx5_0\tPIX\tPIX\tPHB\tPHB\tSYS\tSYS\tSYS\tSYS\t X \tPHB\t\n"
    "mlx5_2\tPHB\tPHB\tPIX\tPIX\tSYS\tSYS\tSYS\tSYS\tPHB\t X \t\n"
    "\nLegend:\n\n  X    = Self\n  NV#  = Connection traversing a bonded set of # NVLinks\n";

TEST(MatrixTest, HybridCubeMesh) {
  const Inventory inventory = Cards(8);
  Found found = Matrix(inventory, kCubeMesh);
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_THAT(Shape(inventory, found), ElementsAre(".1122...", "1.21.2..", "12.2..1.", "212....1",  //
                                                   "2....112", ".2..1.21", "..1.12.2", "...1212."));
  for (const Link& link : found.links) EXPECT_EQ(link.kind, "nvlink");
}

// As a terminal shows it: underlined, aligned by tabs or by blanks, with columns whose names have blanks.
constexpr char kSwitched[] =
    "\t\x1b[4mGPU0\tGPU1\tGPU2\tNIC0\tNIC1\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
    "GPU0\t X \tNV18\tNV18\tPIX\tNODE\t0-55,112-167\t0\t\tN/A\n"
    "GPU1\tNV18\t X \tNV18\tNODE\tPIX\t0-55,112-167\t0\t\tN/A\n"
    "GPU2\tNV18\tNV18\t X \tSYS\tSYS\t56-111,168-223\t1\t\tN/A\n"
    "NIC0\tPIX\tNODE\tSYS\t X \tNODE\t\t\t\t\n"
    "NIC1\tNODE\tPIX\tSYS\tNODE\t X \t\t\t\t\n"
    "\nLegend:\n\n  X    = Self\n  SYS  = Connection traversing PCIe as well as the SMP interconnect\n"
    "\nNIC Legend:\n\n  NIC0: mlx5_0\n  NIC1: mlx5_1\n\n";

TEST(MatrixTest, EscapesNicsLegendsAndOtherColumns) {
  std::string copied = kSwitched;  // a copy that lost its ESC, made on another system, below its command
  for (size_t at = copied.find('\x1b'); at != std::string::npos; at = copied.find('\x1b'))
    copied.erase(at, 1);
  for (size_t at = copied.find('\n'); at != std::string::npos; at = copied.find('\n', at + 2))
    copied.insert(at, "\r");
  std::string blanks = kSwitched;
  for (size_t at = blanks.find('\t'); at != std::string::npos; at = blanks.find('\t'))
    blanks.replace(at, 1, "    ");
  std::string coloured = kSwitched;
  for (size_t at = coloured.find("NV18"); at != std::string::npos; at = coloured.find("NV18", at + 9)) {
    coloured.replace(at, 4, "\x1b[1;32mNV18\x1b[K\x1b[0m");
  }
  for (const std::string& text : {std::string(kSwitched), "$ smi topo -m\n\n" + copied, blanks, coloured}) {
    Found found = Matrix(Cards(3), text);
    EXPECT_THAT(found.oddities, IsEmpty()) << text;
    ASSERT_THAT(found.links, SizeIs(3)) << text;
    for (const Link& link : found.links) EXPECT_EQ(link.width, 18);
  }
}

TEST(MatrixTest, RowsAreCardsInTheOrderOfTheirAddresses) {
  const std::string text =
      "GPU0 GPU1 GPU2\nGPU2 SYS NV4 X\nGPU0 X SYS SYS\nGPU1 SYS X NV4\n";  // rows in any order
  Found found = Matrix(CardsAt({"0001:01:00.0", "0000:c1:00.0", "0000:1a:00.0"}), text);
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair("0001:01:00.0", "0000:c1:00.0"), 4.0)));
  EXPECT_THAT(found.oddities, IsEmpty());
}

TEST(MatrixTest, OneGpuAndNoLinks) {
  for (const char* text : {"\tGPU0\tCPU Affinity\nGPU0\t X \t0-7\n", "GPU0\nGPU0 X"}) {
    Found found = Matrix(Cards(1), text);
    EXPECT_THAT(found.links, IsEmpty());
    EXPECT_THAT(found.oddities, IsEmpty());
  }
}

constexpr char kPair[] = "GPU0 GPU1\nGPU0 X NV2\nGPU1 NV2 X\n";

TEST(MatrixTest, TheNumberOfCardsMustFit) {
  EXPECT_THAT(
      Matrix(Cards(3), kPair).oddities,
      ElementsAre("it has 2 GPUs, profile test has 3 cards: no profile fits; none of its links is used"));
  EXPECT_THAT(Matrix(Cards(3), kPair).links, IsEmpty());
  EXPECT_THAT(Matrix(Inventory(), kPair).oddities,
              ElementsAre("it has 2 GPUs: no profile fits; none of its links is used"));
  // Cards of other profiles are no GPUs of this matrix, unless it could be either.
  Inventory inventory = Cards(5);
  for (size_t i : {0, 2, 3}) inventory.cards[i].profile = "other";
  EXPECT_THAT(Matrix(inventory, kPair).widths,
              ElementsAre(std::pair(std::pair("0000:11:00.0", "0000:14:00.0"), 2.0)));
  inventory.cards.erase(inventory.cards.begin());
  EXPECT_THAT(
      Matrix(inventory, kPair).oddities,
      ElementsAre(
          "it has 2 GPUs, profile other has 2 cards, profile test has 2 cards: more than one profile fits; "
          "none of its links is used"));
}

TEST(MatrixTest, ACardInPiecesIsOneRowWithoutLinks) {
  Inventory inventory = Cards(2);
  for (int i = 0; i < 3; ++i) {
    inventory.cards.push_back(inventory.cards[1]);
    inventory.cards.back().id += "-" + std::to_string(i);
    inventory.cards.back().piece_of = "x";
    inventory.cards.back().pieces = 3;
  }
  inventory.cards.erase(inventory.cards.begin() + 1);
  Inventory three = Cards(3);
  inventory.cards.push_back(three.cards[2]);
  Found found = Matrix(inventory, "GPU0 GPU1 GPU2\nGPU0 X NV2 NV1\nGPU1 NV2 X NV2\nGPU2 NV1 NV2 X\n");
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair("0000:10:00.0", "0000:12:00.0"), 1.0)));
}

TEST(MatrixTest, AnAsymmetricLinkIsReportedOnceAndTheSmallerCounts) {
  Found found = Matrix(Cards(3), "GPU0 GPU1 GPU2\nGPU0 X NV4 NV1\nGPU1 NV2 X SYS\nGPU2 SYS SYS X\n");
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair("0000:10:00.0", "0000:11:00.0"), 2.0)));
  EXPECT_THAT(found.oddities,
              ElementsAre("the link from GPU0 to GPU1 has width 4, back it has 2; taken as 2",
                          "the link from GPU0 to GPU2 has width 1, back it has none; not used"));
}

TEST(MatrixTest, ManyComplaintsAreFew) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "GPU" + std::to_string(i) + " ";
  for (int i = 0; i < 40; ++i) {
    text += "\nGPU" + std::to_string(i);
    for (int j = 0; j < 40; ++j) text += i == j ? " X" : i < j ? " NV2" : " NV1";
  }
  Found found = Matrix(Cards(40), text);
  EXPECT_THAT(found.links, SizeIs(780));
  ASSERT_THAT(found.oddities, SizeIs(8));
  EXPECT_THAT(found.oddities.back(), HasSubstr("(and 772 more problems)"));
}

TEST(MatrixTest, WhatIsNoMatrixSaysWhere) {
  const auto oddity = [](const std::string& text) {
    Found found = Matrix(Cards(2), text);
    EXPECT_THAT(found.links, IsEmpty()) << text;
    return found.oddities.size() == 1 ? found.oddities[0] : "?";
  };
  EXPECT_EQ(oddity(""), "links of matrix: line 1: this is no matrix: no line begins with GPU0 GPU1 ...");
  EXPECT_EQ(oddity("<system>\n</system>\n"),
            "links of matrix: line 2: this is no matrix: no line begins with GPU0 GPU1 ...");
  EXPECT_EQ(oddity("GPU0 X NV1\n"),
            "links of matrix: line 1: a row of the matrix stands before the line that names its columns");
  EXPECT_EQ(oddity("GPU0 GPU0\n"), "links of matrix: line 1: there are two columns of GPU0");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU0 X NV1\n"), "links of matrix: line 2: there is no row of GPU1");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU0 X NV1\nGPU0 X NV1\n"), "links of matrix: line 3: GPU0 has two rows");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU2 X NV1\n"), "links of matrix: line 2: GPU2 has a row but no column");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU0 X\n"),
            "links of matrix: line 2: GPU0 has 1 cells where there are 2 columns");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU0 NV\x01 X\n"),
            "links of matrix: line 2: GPU0 has 'NV?' in the column of GPU0");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU0 X X\n"), "links of matrix: line 2: GPU0 has 'X' in the column of GPU1");
  EXPECT_EQ(oddity("GPU0 GPU1\nGPU0 X NV9999\n"),
            "links of matrix: line 2: 'NV9999' is more than 1024 links");
  std::string wide;
  for (int i = 0; i < 1025; ++i) wide += "GPU" + std::to_string(i) + " ";
  EXPECT_EQ(oddity(wide), "links of matrix: line 1: more than 1024 GPUs");
}

}  // namespace
}  // namespace cleave
