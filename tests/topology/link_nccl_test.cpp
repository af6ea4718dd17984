// SPDX-License-Identifier: Apache-2.0
// source = "nccl-xml", on files of real machines and on small ones; and the XML reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/host_root.h"
#include "base/memory_root.h"
#include "nlohmann/json.hpp"
#include "tests/machine.h"
#include "tests/topology/links.h"
#include "tests/topology/machines.h"
#include "topology/xml_reader.h"

namespace cleave {
namespace {

using Json = nlohmann::json;
using testing::CardsAt;
using ::testing::ElementsAre;
using testing::FindLinks;
using testing::Found;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LoadMachine;
using testing::MachinePath;
using testing::ReadFileOrDie;
using ::testing::SizeIs;
using ::testing::StartsWith;

Found Nccl(const Inventory& inventory, const std::string& text) {
  return FindLinks("nccl-xml", inventory, text);
}

class NcclFileTest : public ::testing::TestWithParam<std::string> {};

TEST_P(NcclFileTest, AgreesWithTheFacts) {
  auto text = LoadMachine("nccl-xml-set-a")->Read(GetParam(), HostRoot::kReadLimit);
  ASSERT_TRUE(text.ok()) << text.status();
  const Json all = Json::parse(ReadFileOrDie(MachinePath("expected/nccl-xml-set-a.json")));
  Json facts;
  for (const Json& file : all["files"]) {
    if (file["file"] == GetParam()) facts = file;
  }
  std::set<std::string> addresses;
  for (const Json& gpu : facts["gpus"]) addresses.insert(gpu["bdf"].get<std::string>());
  Found found = Nccl(CardsAt({addresses.begin(), addresses.end()}), *text);
  std::map<std::pair<std::string, std::string>, double> expected;
  for (const Json& link : facts["gpu_links"]) {
    expected[std::minmax(link["from"].get<std::string>(), link["to"].get<std::string>())] = link["count"];
  }
  EXPECT_EQ(found.widths, expected);
  EXPECT_EQ(found.links.size() * 2, facts["gpu_links_total"].get<size_t>());
  for (const Link& link : found.links) EXPECT_EQ(link.kind, "xgmi");
  // What clouds ship has PCI only, which is worth a warning.
  if (expected.empty()) {
    EXPECT_THAT(found.oddities, ElementsAre(StartsWith("it has no nvlink and no xgmi")));
  } else {
    EXPECT_THAT(found.oddities, IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(All, NcclFileTest,
                         ::testing::Values("azure-ndv4-topo.xml", "aws-p4d-24xl-topo.xml",
                                           "rccl-topo_8p6l_4nic.xml", "rccl-topo_4p3l_n4.xml"),
                         [](const auto& one) {
                           return one.param.substr(0, one.param.find('-')) + std::to_string(one.index);
                         });

std::string Gpu(const std::string& busid, const std::string& links) {
  return "<pci busid=\"" + busid + "\" class=\"0x030200\">\n<gpu dev=\"0\">\n" + links + "</gpu>\n</pci>\n";
}
std::string NvLink(const std::string& target, int count, const std::string& target_class = "0x030200") {
  return "<nvlink target=\"" + target + "\" count=\"" + std::to_string(count) + "\" tclass=\"" +
         target_class + "\"/>\n";
}
std::string System(const std::string& inside) {
  return "<system version=\"1\">\n<cpu numaid=\"0\">\n" + inside + "</cpu>\n</system>\n";
}

const std::string kA = "0000:18:00.0";
const std::string kB = "0000:2a:00.0";
const std::string kC = "0000:3a:00.0";

TEST(NcclTest, NvLinkBetweenGpus) {
  Found found =
      Nccl(CardsAt({kA, kB, kC}), System(Gpu(kA, NvLink(kB, 2) + NvLink(kC, 1)) + Gpu(kB, NvLink(kA, 2)) +
                                         Gpu("0000:3A:00.0", NvLink(kA, 1))));
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_THAT(found.widths,
              ElementsAre(std::pair(std::pair(kA, kB), 2.0), std::pair(std::pair(kA, kC), 1.0)));
  EXPECT_EQ(found.links[0].kind, "nvlink");
}

// As on a host with four switches, of which each GPU has 5, 5, 4 and 4 links.
TEST(NcclTest, ThroughSwitchesEveryPairHasAllLinks) {
  const std::string to_switches =
      NvLink("0000:07:00.0", 5, "0x068000") + NvLink("0000:06:00.0", 5, "0x068000") +
      NvLink("0000:05:00.0", 4, "0x068000") + NvLink("0000:08:00.0", 4, "0x068000");
  Found found = Nccl(CardsAt({kA, kB, kC}), System(Gpu(kA, to_switches) + Gpu(kB, to_switches) +
                                                   Gpu(kC, NvLink("0000:07:00.0", 5, "0x068000"))));
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 18.0), std::pair(std::pair(kA, kC), 5.0),
                                        std::pair(std::pair(kB, kC), 5.0)));
}

TEST(NcclTest, SwitchesThatAVirtualMachineDoesNotShow) {
  for (const char* target : {"fffffff:ff:ff.0", "fffffff:ffff:ff"}) {
    for (const char* target_class : {"0x068000", ""}) {
      const std::string link = NvLink(target, 18, target_class);
      Found found = Nccl(CardsAt({kA, kB}), System(Gpu(kA, link) + Gpu(kB, link)));
      EXPECT_THAT(found.oddities, IsEmpty()) << target;
      EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 18.0))) << target;
    }
  }
}

TEST(NcclTest, TheClassOfATargetMayStandElsewhere) {
  const std::string bridge = "<pci busid=\"0000:07:00.0\" class=\"0x068000\"/>\n";
  const std::string link = "<nvlink target=\"0000:07:00.0\" count=\"3\"/>\n";
  Found found = Nccl(CardsAt({kA, kB}), System(bridge + Gpu(kA, link) + Gpu(kB, link)));
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 3.0)));
  EXPECT_THAT(found.oddities, IsEmpty());
}

TEST(NcclTest, LinksToCpusDoNotCount) {
  const std::string cpu = NvLink("0004:00:00.0", 3, "0x068001");
  Found found = Nccl(CardsAt({kA, kB}), System(Gpu(kA, cpu + NvLink(kB, 3)) + Gpu(kB, cpu + NvLink(kA, 3))));
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 3.0)));
  EXPECT_THAT(found.oddities, IsEmpty());
}

// One <gpu> for each rank or part of a GPU, each with all links.
TEST(NcclTest, SeveralGpusOfOneFunctionAreOne) {
  auto twice = [](const std::string& busid, const std::string& links) {
    return "<pci busid=\"" + busid + "\" class=\"0x030200\"><gpu dev=\"0\">" + links +
           "</gpu><gpu dev=\"0\">" + links + "</gpu></pci>\n";
  };
  const std::string fabric = NvLink("fffffff:ff:ff.0", 36, "0x068000");
  Found found = Nccl(CardsAt({kA, kB, kC}),
                     System(twice(kA, fabric) + twice(kB, NvLink(kC, 4) + fabric) + Gpu(kC, NvLink(kB, 4))));
  EXPECT_THAT(found.widths,
              ElementsAre(std::pair(std::pair(kA, kB), 36.0), std::pair(std::pair(kB, kC), 4.0)));
  EXPECT_THAT(found.oddities, IsEmpty());
}

TEST(NcclTest, AnAsymmetricLinkIsReportedOnceAndTheSmallerCounts) {
  Found found = Nccl(CardsAt({kA, kB, kC}),
                     System(Gpu(kA, NvLink(kB, 4) + NvLink(kC, 2)) + Gpu(kB, NvLink(kA, 1)) + Gpu(kC, "")));
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 1.0)));
  EXPECT_THAT(
      found.oddities,
      ElementsAre("the link from 0000:18:00.0 to 0000:2a:00.0 has width 4, back it has 1; taken as 1",
                  "the link from 0000:18:00.0 to 0000:3a:00.0 has width 2, back it has none; not used"));
  // A GPU that the file does not list has nothing to say.
  found = Nccl(CardsAt({kA, kB}), System(Gpu(kA, NvLink(kB, 4))));
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 4.0)));
  EXPECT_THAT(found.oddities, IsEmpty());
}

TEST(NcclTest, ACardThatIsNotHereIsReportedAndTheRestCounts) {
  const std::string links = NvLink(kA, 1) + NvLink(kB, 1) + NvLink(kC, 1);
  Found found = Nccl(CardsAt({kA, kB}), System(Gpu(kA, links) + Gpu(kB, links) + Gpu(kC, links)));
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 1.0)));
  EXPECT_THAT(found.oddities, ElementsAre("no card is at 0000:3a:00.0"));
}

TEST(NcclTest, CardsInPiecesHaveNoLinks) {
  Inventory inventory = CardsAt({kA, kB, kC});
  inventory.cards[2].pieces = 7;
  const std::string fabric = NvLink("fffffff:ff:ff.0", 12, "0x068000");
  Found found = Nccl(inventory, System(Gpu(kA, fabric) + Gpu(kB, fabric) + Gpu(kC, fabric)));
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair(kA, kB), 12.0)));
  EXPECT_THAT(found.oddities, IsEmpty());
}

TEST(NcclTest, WhatIsNeitherGpuNorSwitchIsReported) {
  Found found = Nccl(CardsAt({kA, kB}),
                     System(Gpu(kA, NvLink("nowhere", 1, "0x020000") + NvLink("\x1b[2J", 1) + NvLink(kB, 1)) +
                            Gpu(kB, NvLink(kA, 1))));
  EXPECT_THAT(found.oddities, ElementsAre(HasSubstr("not well-formed")));  // XML has no ESC
  found = Nccl(CardsAt({kA, kB}),
               System(Gpu(kA, NvLink("nowhere", 1, "0x020000") + NvLink("here", 1) + NvLink(kB, 1)) +
                      Gpu(kB, NvLink(kA, 1))));
  EXPECT_THAT(found.oddities, ElementsAre("line 5: what is at 'nowhere' is neither a GPU nor a switch",
                                          "line 6: 'here' is no PCI address"));
  EXPECT_THAT(found.links, SizeIs(1));
}

TEST(NcclTest, WhatIsNoTopologySaysWhere) {
  const Inventory inventory = CardsAt({kA, kB});
  const auto oddity = [&](const std::string& text) {
    Found found = Nccl(inventory, text);
    EXPECT_THAT(found.links, IsEmpty()) << text;
    return found.oddities.size() == 1 ? found.oddities[0] : "?";
  };
  EXPECT_EQ(oddity(""), "links of nccl-xml: line 1: it is empty");
  EXPECT_EQ(oddity("GPU0 X"), "links of nccl-xml: line 1: this is no XML (syntax error)");
  EXPECT_EQ(oddity("<system>\n<cpu>\n</system>"),
            "links of nccl-xml: line 3: the XML is broken here (mismatched tag)");
  EXPECT_EQ(
      oddity("<html/>"),
      "links of nccl-xml: line 1: this is no topology of NCCL: its top element is 'html', not 'system'; NCCL "
      "writes one to the file that NCCL_TOPO_DUMP_FILE names");
  EXPECT_EQ(oddity(System("<pci/>")), "links of nccl-xml: line 3: busid must be a PCI address, not ''");
  EXPECT_EQ(oddity(System("<gpu/>")), "links of nccl-xml: line 3: a gpu must be inside a pci");
  EXPECT_EQ(oddity(System(Gpu(kA, "\n<nvlink target=\"" + kB + "\" count=\"-1\" tclass=\"0x03\"/>"))),
            "links of nccl-xml: line 6: count must be a number from 0 to 1024, not '-1'");
  std::string many;
  for (int i = 0; i < 1025; ++i) {
    many += "<pci busid=\"" + PciAddress{static_cast<uint32_t>(i), 0, 0, 0}.ToString() + "\"><gpu/></pci>\n";
  }
  EXPECT_EQ(oddity(System(many)), "links of nccl-xml: line 1027: more than 1024 GPUs");
}

TEST(XmlReaderTest, KeepsNamesAttributesAndLines) {
  auto top =
      ParseXml("<?xml version=\"1.0\"?>\n<!-- x -->\n<a one='1' two=\"&lt;&#65;\">text<b/>\n<c><d/></c></a>");
  ASSERT_TRUE(top.ok()) << top.status();
  EXPECT_EQ(top->name, "a");
  EXPECT_EQ(top->line, 3);
  EXPECT_EQ(top->Attribute("one"), "1");
  EXPECT_EQ(top->Attribute("two"), "<A");
  EXPECT_EQ(top->Attribute("three"), "");
  ASSERT_THAT(top->children, SizeIs(2));
  EXPECT_EQ(top->children[1].line, 4);
  ASSERT_THAT(top->children[1].children, SizeIs(1));
  EXPECT_EQ(top->children[1].children[0].name, "d");
}

TEST(XmlReaderTest, RefusesWhatIsMadeToHurt) {
  const auto error = [](const std::string& text) { return std::string(ParseXml(text).status().message()); };
  EXPECT_EQ(error("<!DOCTYPE a [\n<!ENTITY b \"bbbbbbbb\">\n<!ENTITY c \"&b;&b;&b;&b;\">\n]>\n<a>&c;</a>"),
            "line 1: a document type is not supported");
  EXPECT_EQ(error("<!DOCTYPE a SYSTEM \"file:///etc/passwd\">\n<a/>"),
            "line 1: a document type is not supported");
  EXPECT_EQ(error("<a>&b;</a>"), "line 1: the XML is broken here (undefined entity)");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>\n";
  EXPECT_EQ(error(deep), "line 65: nested too deep");
  std::string wide = "<a>\n";
  for (int i = 0; i < 70000; ++i) wide += "<b/>\n";
  EXPECT_EQ(error(wide + "</a>"), "line 65537: more than 65536 elements");
  EXPECT_EQ(error("<a b='1' b='2'/>"), "line 1: the XML is broken here (duplicate attribute)");
  EXPECT_EQ(error(std::string("<a>\0</a>", 8)),
            "line 1: the XML is broken here (not well-formed (invalid token))");
}

}  // namespace
}  // namespace cleave
