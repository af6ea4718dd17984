// SPDX-License-Identifier: Apache-2.0
// The kubelet's rules for names.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "policy/plan.h"

namespace cleave {
namespace {

constexpr size_t kMostNameChars = 63;
// The prefix is a DNS subdomain of at most 253 characters, and the quota for the resource puts "requests."
// before it.
constexpr size_t kMostDomainChars = 253 - std::string_view("requests.").size();
constexpr size_t kMostIdChars = 63;

bool IsAlnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool IsLowerAlnum(char c) { return IsAlnum(c) && std::isupper(static_cast<unsigned char>(c)) == 0; }

bool IsDnsLabel(const std::string& label) {
  return !label.empty() && label.size() <= 63 && IsLowerAlnum(label.front()) && IsLowerAlnum(label.back()) &&
         std::all_of(label.begin(), label.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

// What is wrong with each half of a resource's name; "" when nothing is.
std::string BadDomain(const std::string& domain) {
  if (domain == "kubernetes.io" || domain.ends_with(".kubernetes.io"))
    return "the domain kubernetes.io is reserved";
  if (domain.starts_with("requests.")) return "a domain must not begin with 'requests.'";
  std::vector<std::string> labels = Split(domain, '.');
  if (domain.size() > kMostDomainChars) {
    return fmt::format("its domain has {} characters, at most {} are allowed", domain.size(),
                       kMostDomainChars);
  }
  if (!std::all_of(labels.begin(), labels.end(), IsDnsLabel)) {
    return fmt::format("'{}' is no domain name: small letters, digits, '-' and '.'", domain);
  }
  return "";
}

std::string BadOwnName(std::string_view own) {
  if (own.empty() || own.size() > kMostNameChars) {
    return fmt::format("the part after the slash must have 1 to {} characters, not {}", kMostNameChars,
                       own.size());
  }
  bool good = IsAlnum(own.front()) && IsAlnum(own.back()) && std::all_of(own.begin(), own.end(), [](char c) {
                return IsAlnum(c) || c == '-' || c == '_' || c == '.';
              });
  if (!good)
    return "the part after the slash must be letters, digits, '-', '_' and '.', with a letter or digit at "
           "both ends";
  return "";
}

}  // namespace

std::string BadResourceName(std::string_view name) {
  size_t slash = name.find('/');
  if (slash == std::string_view::npos) return "it needs a domain, such as example.com/gpu";
  std::string domain = BadDomain(std::string(name.substr(0, slash)));
  std::string own = BadOwnName(name.substr(slash + 1));
  return domain.empty() || own.empty() ? domain + own : domain + "; " + own;
}

std::string BadDeviceId(std::string_view id) {
  if (id.empty()) return "it is empty";
  if (id.size() > kMostIdChars)
    return fmt::format("it has {} characters, the kubelet allows {}", id.size(), kMostIdChars);
  if (!std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    return "it holds blanks or characters that are not ASCII";
  return "";
}

}  // namespace cleave
