// The road from the engine's threads to JavaScript's: one thread-safe function an environment.
//
// Tasks, and every reference to JavaScript values they hold, live and die on JavaScript's thread; engine threads only
// say that a task has news, and ring. A ring that wakes a sleeping thread costs tens of microseconds (a virtual machine
// leaves and comes back), so news that come together are told by one. The function is referenced while a promise is
// pending, so that the process waits for it, and not otherwise, so that an open but idle engine keeps nobody from
// exiting.
#pragma once

#include <napi.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace stateline::addon {

class PromiseTask;

class Mailbox {
 public:
  explicit Mailbox(Napi::Env env);
  ~Mailbox();

  // --- JavaScript's thread ---
  // Keeps the task until it has settled.
  template <class Task>
  Task& adopt(std::unique_ptr<Task> task) {
    Task& kept = *task;
    keep(std::move(task));
    return kept;
  }
  // The environment ends: drops pending tasks unsettled. No engine thread may be left.
  void close();

  // --- any thread ---
  // The task's deliver() will run on JavaScript's thread once somebody rings.
  void leave(PromiseTask& task) {
    std::lock_guard lock(mutex_);
    enqueue(task);
  }
  void ring();
  // Both. `mark` changes the task first, under the mailbox's lock: once it is posted as done it may be gone.
  template <class Mark>
  void post(PromiseTask& task, Mark mark) {
    {
      std::lock_guard lock(mutex_);
      mark();
      enqueue(task);
    }
    ring();
  }

  std::mutex& mutex() { return mutex_; }

 private:
  static void call(Napi::Env env, Napi::Function, Mailbox* mailbox, void*);
  using Bell = Napi::TypedThreadSafeFunction<Mailbox, void, call>;

  void keep(std::unique_ptr<PromiseTask> task);
  void enqueue(PromiseTask& task);
  void deliver(Napi::Env env);

  Napi::Env env_;
  Bell bell_;
  std::map<PromiseTask*, std::unique_ptr<PromiseTask>> kept_;
  std::mutex mutex_;
  std::vector<PromiseTask*> letters_;  // tasks with news, each once
  bool rung_ = false;                  // and deliver() has not begun
};

}  // namespace stateline::addon
