// Runs the requests of many clients on one computing thread: each forward has a part of all of them.
#pragma once

#include "kiln/infer/decoder.h"
#include "kiln/serve/served_model.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kiln {

struct EngineOptions {
  std::size_t cache_bytes = std::size_t{1} << 30;  // of keys and values, for all models together
  Index most_sequences = 64;                       // of a model that run at a time
  Index queue = 512;                               // sequences that wait, at most
  bool deterministic = false;                      // see DecoderOptions
};

/// Sums over an engine's life.
struct EngineCounts {
  DecoderCounts decoders = {};
  double prompt_seconds = 0;  // of forwards, shared by the rows that they had
  double drawing_seconds = 0;
  Index running = 0, waiting = 0;
};

/// Owns the models that are served. The thread in run() computes; all other functions may be called from any thread.
class Engine {
 public:
  using Model = std::shared_ptr<const ServedModel>;
  using Ticket = std::uint64_t;

  /// Throws Error (usage) for memory that cannot be allocated, and two models of one name.
  Engine(const std::vector<Model>& models, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Returns the models, in the order of their names on the command line.
  std::vector<Model> models() const;

  /// Returns the model of this name, "" for the first. Throws ApiError (404).
  Model model(std::string_view name) const;

  /// Returns the most tokens of a sequence, see Decoder::context.
  Index context(const ServedModel& model) const;

  const EngineOptions& options() const { return options_; }

  /// Adds a sequence. Its events are called on the computing thread; if the model has been replaced, the sequence runs
  /// on the new one only if `model` is that. Throws ApiError: 503 if the queue is full or the engine stops.
  Ticket submit(const Model& model, DecodingRequest request, DecodingEvents events);

  /// Ends a sequence before its next step, wherever it is. No event follows, except those of a step that runs.
  void cancel(Ticket ticket);

  /// Runs a piece of other work on the computing thread, between two steps.
  void post(std::function<void()> work);

  /// Replaces the model of the same name. Sequences that were submitted before keep the old one. Throws Error (usage)
  /// if there is none of that name, or memory that cannot be allocated.
  void replace(Model model);

  EngineCounts counts() const;

  /// Computes until stop(). Exceptions of posted work and of events are reported as warnings.
  void run();

  /// Makes run() return once no sequence runs or waits, or at once. Refuses new ones from here on.
  void finish();
  void stop();

 private:
  struct Served;

  DecoderOptions decoder_options(const ServedModel& model) const;
  Served& serving(const Model& model);
  DecodingEvents guarded(Ticket ticket, DecodingEvents events);
  void forget(Ticket ticket);
  void work_off_posted();
  bool step_all();
  void drop_replaced();
  void remember_counts();

  EngineOptions options_;
  std::size_t cache_bytes_;  // of each model

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable news_;
  std::vector<Model> models_;
  std::vector<std::function<void()>> posted_;
  EngineCounts counts_;
  Ticket last_ticket_ = 0;
  Index unfinished_ = 0;  // sequences submitted and not ended
  bool finishes_ = false, stops_ = false;

  // Of the computing thread:
  std::vector<std::unique_ptr<Served>> served_;
  std::unordered_map<Ticket, std::pair<Decoder*, Decoder::Id>> tickets_;
  DecoderCounts gone_;  // sums of decoders of replaced models
  double prompt_seconds_ = 0, drawing_seconds_ = 0;
};

}  // namespace kiln
