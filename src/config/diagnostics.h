// SPDX-License-Identifier: Apache-2.0
// What is wrong with a configuration, and where.
#ifndef CLEAVE_CONFIG_DIAGNOSTICS_H_
#define CLEAVE_CONFIG_DIAGNOSTICS_H_

#include <string>
#include <utility>
#include <vector>

namespace cleave {

// Line and column count from 1; 0 means that the whole file is meant.
struct SourcePos {
  std::string file;
  int line = 0;
  int column = 0;
  auto operator<=>(const SourcePos&) const = default;
};

// "file:line:column", without the parts that are not known.
std::string ToString(const SourcePos& pos);

struct Diagnostic {
  SourcePos pos;
  std::string message;
  bool operator<(const Diagnostic& other) const;
};

// "cleave.toml:14:3: unknown key 'prefr' in [[resource]] (did you mean 'prefer'?)"
std::string ToString(const Diagnostic& diagnostic);

// Collects every error, not the first only, and notes: what is no mistake for certain and worth knowing.
class Diagnostics {
 public:
  void Error(SourcePos pos, std::string message) { errors_.push_back({std::move(pos), std::move(message)}); }
  void Note(SourcePos pos, std::string message) { notes_.push_back({std::move(pos), std::move(message)}); }
  void Add(const Diagnostics& other) {
    errors_.insert(errors_.end(), other.errors_.begin(), other.errors_.end());
    notes_.insert(notes_.end(), other.notes_.begin(), other.notes_.end());
  }
  // Notes do not count.
  bool ok() const { return errors_.empty(); }
  // By file, line and column, each once.
  std::vector<Diagnostic> errors() const;
  std::vector<Diagnostic> notes() const;
  // All errors, a line each.
  std::string Text() const;

 private:
  std::vector<Diagnostic> errors_;
  std::vector<Diagnostic> notes_;
};

// As errors and notes are printed, a line each: "FILE:LINE:COLUMN: MESSAGE" and
// "FILE:LINE:COLUMN: note: MESSAGE".
std::vector<std::string> Lines(const Diagnostics& diagnostics);

// " (did you mean 'prefer'?)", or "" when nothing is near.
std::string DidYouMean(const std::string& word, const std::vector<std::string>& candidates);

// The same, and where nothing is near the candidates themselves: "; there is a, b, c".
std::string NearOrAll(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_DIAGNOSTICS_H_
