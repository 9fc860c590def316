// Profiles a step: sums the seconds spent in named parts while a Profile exists.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace kiln {

/// Collects seconds by part during its lifetime, for the thread that made it; at most one per thread.
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

/// Adds its lifetime to `part`, a string literal. Parts do not nest. Costs one branch without a Profile.
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
