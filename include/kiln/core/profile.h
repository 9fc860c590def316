// Where a step's time goes: the conductor's thread books the seconds of named parts, where somebody asked for it.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace kiln {

/// Seconds by part, collected while it lives; at most one at a time, on the thread that made it.
class Profile {
 public:
  Profile();
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  const std::map<std::string, double>& seconds() const { return seconds_; }

 private:
  friend class Timed;
  static thread_local Profile* active;
  std::map<std::string, double> seconds_;
};

/// Books the time until its end under `part`, a literal. Parts do not nest. Without a Profile it costs a branch.
class Timed {
 public:
  explicit Timed(const char* part) : profile_(Profile::active), part_(part) {
    if (profile_ != nullptr) start_ = Clock::now();
  }
  ~Timed() {
    if (profile_ != nullptr) profile_->seconds_[part_] += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  Profile* profile_;
  const char* part_;
  Clock::time_point start_;
};

}  // namespace kiln
