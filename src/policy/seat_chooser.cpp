// SPDX-License-Identifier: Apache-2.0
#include "policy/seat_chooser.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "config/resource_spec.h"
#include "policy/choose.h"
#include "policy/seats.h"

namespace cleave {
namespace {

// So many sets of cards are looked at one by one.
constexpr size_t kMostSets = 3000;

// a/b < c/d
bool Less(size_t a, size_t b, size_t c, size_t d) { return a * d < c * b; }

size_t Sum(const std::vector<size_t>& values) {
  return std::accumulate(values.begin(), values.end(), size_t{0});
}

// How many sets of k of n there are, up to `most`.
size_t Sets(size_t n, size_t k, size_t most) {
  size_t sets = 1;
  for (size_t i = 0; i < std::min(k, n - k) && sets <= most; ++i) sets = sets * (n - i) / (i + 1);
  return sets;
}

// Chooses how many units to take of each seat; which units of a seat is all the same.
class SeatChooser {
 public:
  SeatChooser(const Seats& seats, const ChoiceRequest& request, const std::vector<size_t>& must,
              const std::vector<size_t>& open)
      : seats_(seats),
        budget_(request.budget_steps),
        give_up_(request.give_up),
        need_(request.size - must.size()) {
    size_t n = seats.units.size();
    total_.assign(n, 0);
    fixed_.assign(n, 0);
    free_.assign(n, 0);
    take_.assign(n, 0);
    for (size_t unit : request.healthy) ++total_[seats.of_unit[unit]];
    for (size_t unit : must) ++fixed_[seats.of_unit[unit]];
    for (size_t unit : open) ++free_[seats.of_unit[unit]];
    for (size_t seat = 0; seat < n; ++seat) {
      total_[seat] = std::max(total_[seat], fixed_[seat] + free_[seat]);
      used_.push_back(total_[seat] - fixed_[seat] - free_[seat]);
    }
    limit_ = free_;
  }

  // Returns what could not be kept.
  std::string Run(Preference preference, SameCard same_card) {
    std::string warning;
    if (same_card == SameCard::kForbid) warning = OneEach();
    if (same_card == SameCard::kRequire) warning = OneSeat(preference);
    if (!warning.empty()) {
      limit_ = free_;
      // As near to what was asked for as can be.
      preference = same_card == SameCard::kForbid ? Preference::kSpread : Preference::kPacked;
    }
    switch (preference) {
      case Preference::kClosest:
        Fewest(false);
        break;
      case Preference::kPacked:
        Fewest(true);
        break;
      case Preference::kSpread:
        Spread();
        break;
      case Preference::kBalanced:
        Balance();
        break;
    }
    return warning;
  }

  const std::vector<size_t>& take() const { return take_; }
  bool proven() const { return proven_; }
  uint64_t steps() const { return steps_; }

 private:
  bool Untouched(size_t seat) const { return used_[seat] == 0 && fixed_[seat] == 0; }
  size_t Chosen(size_t seat) const { return fixed_[seat] + take_[seat]; }
  size_t Rest(size_t seat) const { return limit_[seat] - take_[seat]; }

  std::string OneEach() {
    for (size_t seat = 0; seat < free_.size(); ++seat)
      limit_[seat] = fixed_[seat] > 0 ? 0 : std::min<size_t>(free_[seat], 1);
    size_t most = *std::max_element(fixed_.begin(), fixed_.end());
    if (most <= 1 && Sum(limit_) >= need_) return "";
    return fmt::format("{} devices cannot be had on different cards", need_ + Sum(fixed_));
  }

  // Leaves one seat only; which one follows from the preference.
  std::string OneSeat(Preference preference) {
    std::optional<size_t> best;
    size_t with_fixed = static_cast<size_t>(
        std::count_if(fixed_.begin(), fixed_.end(), [](size_t fixed) { return fixed > 0; }));
    bool spread = preference == Preference::kSpread || preference == Preference::kBalanced;
    for (size_t seat = 0; seat < free_.size(); ++seat) {
      ++steps_;
      if (free_[seat] < need_ || with_fixed > 1 || (with_fixed == 1 && fixed_[seat] == 0)) continue;
      if (!best ||
          (spread ? Less(used_[seat], total_[seat], used_[*best], total_[*best])
                  : std::pair(Untouched(seat), free_[seat]) < std::pair(Untouched(*best), free_[*best]))) {
        best = seat;
      }
    }
    if (!best) return fmt::format("{} devices cannot be had on one card", need_ + Sum(fixed_));
    if (!spread && with_fixed == 0 && Untouched(*best)) best = Nearest(SeatsLike(*best), {}, 1).front();
    for (size_t seat = 0; seat < limit_.size(); ++seat) limit_[seat] = seat == *best ? free_[seat] : 0;
    return "";
  }

  // Untouched seats with as many free units.
  std::vector<size_t> SeatsLike(size_t one) const {
    std::vector<size_t> seats;
    for (size_t seat = 0; seat < free_.size(); ++seat) {
      if (Untouched(seat) && free_[seat] == free_[one]) seats.push_back(seat);
    }
    return seats;
  }

  // `count` of `candidates`, those nearest to each other and to `beside`. What is in use is on other seats.
  std::vector<size_t> Nearest(const std::vector<size_t>& candidates, const std::vector<size_t>& beside,
                              size_t count) {
    if (count >= candidates.size()) return candidates;
    ChoiceRequest request;
    request.size = beside.size() + count;
    request.available = candidates;
    request.must_include = beside;
    request.budget_steps = budget_;
    request.give_up = give_up_;
    for (size_t seat = 0; seat < total_.size(); ++seat) {
      if (total_[seat] > 0) request.healthy.push_back(seat);
    }
    Choice choice = Choose(Preference::kClosest, *seats_.topology, request);
    proven_ = proven_ && choice.optimal;
    steps_ += choice.steps;
    std::vector<size_t> chosen;
    for (size_t seat : choice.units) {
      if (std::find(beside.begin(), beside.end(), seat) == beside.end()) chosen.push_back(seat);
    }
    return chosen;
  }

  // The same, with room for `needed` units on them; the largest `count` have it.
  std::vector<size_t> NearestWithRoom(std::vector<size_t> candidates, const std::vector<size_t>& beside,
                                      size_t count, size_t needed) {
    for (;;) {
      std::vector<size_t> chosen = Nearest(candidates, beside, count);
      size_t room = 0;
      for (size_t seat : chosen) room += limit_[seat];
      if (room >= needed || chosen.size() == candidates.size()) return chosen;
      if (Sets(candidates.size(), count, kMostSets) <= kMostSets)
        return NearestOfAll(candidates, beside, count, needed);
      proven_ = false;
      size_t least = *std::min_element(chosen.begin(), chosen.end(),
                                       [&](size_t a, size_t b) { return limit_[a] < limit_[b]; });
      std::erase(candidates, least);
    }
  }

  double Affinity(const std::vector<size_t>& set, const std::vector<size_t>& beside) const {
    double sum = 0;
    for (size_t i = 0; i < set.size(); ++i) {
      for (size_t j = 0; j < i; ++j) sum += seats_.topology->Affinity(set[i], set[j]);
      for (size_t other : beside) sum += seats_.topology->Affinity(set[i], other);
    }
    return sum;
  }

  // Of seats that are in use already: the nearest, of equal ones those with the least room, so that they are
  // filled.
  std::vector<size_t> Fullest(const std::vector<size_t>& candidates, const std::vector<size_t>& beside,
                              size_t count, size_t needed) {
    if (count == 0 || count >= candidates.size()) return count == 0 ? std::vector<size_t>{} : candidates;
    if (Sets(candidates.size(), count, kMostSets) > kMostSets) {
      proven_ = false;
      return NearestWithRoom(candidates, beside, count, needed);
    }
    return NearestOfAll(candidates, beside, count, needed);
  }

  // Goes through all sets; of equally near ones that with the fewest free units.
  std::vector<size_t> NearestOfAll(const std::vector<size_t>& candidates, const std::vector<size_t>& beside,
                                   size_t count, size_t needed) {
    std::vector<size_t> best;
    double best_affinity = 0;
    size_t best_room = 0;
    std::vector<size_t> places(count);
    std::iota(places.begin(), places.end(), size_t{0});
    for (;;) {
      ++steps_;
      std::vector<size_t> set;
      size_t room = 0;
      size_t free = 0;
      for (size_t place : places) {
        set.push_back(candidates[place]);
        room += limit_[candidates[place]];
        free += free_[candidates[place]];
      }
      if (room >= needed) {
        double affinity = Affinity(set, beside);
        bool better = best.empty() || affinity > best_affinity + kSame ||
                      (affinity > best_affinity - kSame && free < best_room);
        if (better) std::tie(best, best_affinity, best_room) = std::tuple(set, affinity, free);
      }
      size_t i = count;
      while (i > 0 && places[i - 1] == candidates.size() - count + i - 1) --i;
      if (i == 0) return best;
      ++places[i - 1];
      for (size_t j = i; j < count; ++j) places[j] = places[j - 1] + 1;
    }
  }

  static constexpr double kSame = 1e-7;

  // How many of `seats`, the roomiest first, have room for `needed` units.
  size_t CountFor(std::vector<size_t> seats, size_t needed) const {
    std::sort(seats.begin(), seats.end(), [&](size_t a, size_t b) { return limit_[a] > limit_[b]; });
    size_t count = 0;
    for (size_t room = 0; room < needed && count < seats.size(); ++count) room += limit_[seats[count]];
    return count;
  }
  size_t RoomOf(std::vector<size_t> seats, size_t count) const {
    std::sort(seats.begin(), seats.end(), [&](size_t a, size_t b) { return limit_[a] > limit_[b]; });
    size_t room = 0;
    for (size_t i = 0; i < count; ++i) room += limit_[seats[i]];
    return room;
  }

  // As few cards as can be, near to each other. `keep_whole`: before that, as few untouched ones as can be.
  void Fewest(bool keep_whole) {
    std::vector<size_t> beside;
    std::vector<size_t> touched;
    std::vector<size_t> untouched;
    for (size_t seat = 0; seat < limit_.size(); ++seat) {
      if (fixed_[seat] > 0) {
        beside.push_back(seat);
      } else if (limit_[seat] > 0) {
        (keep_whole && !Untouched(seat) ? touched : untouched).push_back(seat);
      }
    }
    Fill(beside);
    if (need_ > 0) {
      size_t room = RoomOf(touched, touched.size());
      size_t whole = room >= need_ ? 0 : CountFor(untouched, need_ - room);
      size_t room_whole = std::min(need_, RoomOf(untouched, whole));
      size_t part = CountFor(touched, need_ - room_whole);
      // The two are chosen one after the other: others of the first might be nearer to the second.
      if (whole > 0 && part > 0 && part < touched.size()) proven_ = false;
      std::vector<size_t> chosen = Fullest(touched, beside, part, need_ - room_whole);
      size_t room_part = 0;
      for (size_t seat : chosen) room_part += limit_[seat];
      std::vector<size_t> near = beside;
      near.insert(near.end(), chosen.begin(), chosen.end());
      if (whole > 0) {
        size_t rest = need_ > room_part ? need_ - room_part : 0;
        for (size_t seat : NearestWithRoom(untouched, near, whole, rest)) chosen.push_back(seat);
      }
      Fill(chosen);
    }
  }

  // Takes what is needed of these, the ones with least room first, so that most are full at the end.
  void Fill(std::vector<size_t> seats) {
    std::stable_sort(seats.begin(), seats.end(), [&](size_t a, size_t b) {
      return std::pair(Untouched(a), limit_[a]) < std::pair(Untouched(b), limit_[b]);
    });
    for (size_t seat : seats) {
      size_t taken = std::min(need_, Rest(seat));
      take_[seat] += taken;
      need_ -= taken;
    }
  }

  // Different cards first, and of those the least used.
  void Spread() {
    while (need_ > 0) {
      std::vector<size_t> open;
      for (size_t seat = 0; seat < limit_.size(); ++seat) {
        if (Rest(seat) > 0) open.push_back(seat);
      }
      size_t level = Chosen(*std::min_element(open.begin(), open.end(),
                                              [&](size_t a, size_t b) { return Chosen(a) < Chosen(b); }));
      std::erase_if(open, [&](size_t seat) { return Chosen(seat) > level; });
      steps_ += open.size();
      if (open.size() > need_) open = LeastUsed(open);
      for (size_t seat : open) ++take_[seat];
      need_ -= open.size();
    }
  }

  // need_ of them, the least used; of equal ones those near to each other and to what is chosen already.
  std::vector<size_t> LeastUsed(std::vector<size_t> open) {
    std::stable_sort(open.begin(), open.end(),
                     [&](size_t a, size_t b) { return Less(used_[a], total_[a], used_[b], total_[b]); });
    auto equal = [&](size_t a, size_t b) { return used_[a] * total_[b] == used_[b] * total_[a]; };
    size_t last = open[need_ - 1];
    std::vector<size_t> chosen;
    std::vector<size_t> ties;
    for (size_t seat : open) {
      if (equal(seat, last)) {
        ties.push_back(seat);
      } else if (chosen.size() + ties.size() < need_) {
        chosen.push_back(seat);
      }
    }
    std::vector<size_t> beside = chosen;
    for (size_t seat = 0; seat < limit_.size(); ++seat) {
      if (Chosen(seat) > 0 && std::find(ties.begin(), ties.end(), seat) == ties.end() &&
          std::find(chosen.begin(), chosen.end(), seat) == chosen.end())
        beside.push_back(seat);
    }
    for (size_t seat : Nearest(ties, beside, need_ - chosen.size())) chosen.push_back(seat);
    return chosen;
  }

  // One after the other to the least loaded NUMA nodes, and there to the least loaded card.
  void Balance() {
    size_t nodes = 1 + *std::max_element(seats_.numa.begin(), seats_.numa.end());
    std::vector<size_t> load(nodes, 0);
    std::vector<size_t> all(nodes, 0);
    for (size_t seat = 0; seat < limit_.size(); ++seat) {
      load[seats_.numa[seat]] += used_[seat] + Chosen(seat);
      all[seats_.numa[seat]] += total_[seat];
    }
    for (; need_ > 0; --need_) {
      std::optional<size_t> best;
      for (size_t seat = 0; seat < limit_.size(); ++seat) {
        ++steps_;
        if (Rest(seat) == 0) continue;
        if (!best) {
          best = seat;
          continue;
        }
        size_t node = seats_.numa[seat];
        size_t other = seats_.numa[*best];
        if (Less(load[node], all[node], load[other], all[other]) ||
            (node == other &&
             Less(used_[seat] + Chosen(seat), total_[seat], used_[*best] + Chosen(*best), total_[*best])))
          best = seat;
      }
      ++take_[*best];
      ++load[seats_.numa[*best]];
    }
  }

  const Seats& seats_;
  const uint64_t budget_;
  const std::function<bool()>& give_up_;
  size_t need_;                // units still to take
  std::vector<size_t> total_;  // healthy units of each seat
  std::vector<size_t> fixed_;  // must-include ones
  std::vector<size_t> free_;   // open ones
  std::vector<size_t> used_;   // the others
  std::vector<size_t> limit_;  // how many open ones may be taken
  std::vector<size_t> take_;   // how many are
  bool proven_ = true;
  uint64_t steps_ = 0;
};

}  // namespace

SeatChoice ChooseSeats(const Seats& seats, const ChoiceRequest& request, const std::vector<size_t>& must,
                       const std::vector<size_t>& open, Preference preference, SameCard same_card) {
  SeatChooser chooser(seats, request, must, open);
  SeatChoice choice;
  choice.warning = chooser.Run(preference, same_card);
  choice.take = chooser.take();
  choice.proven = chooser.proven();
  choice.steps = chooser.steps();
  return choice;
}

}  // namespace cleave
