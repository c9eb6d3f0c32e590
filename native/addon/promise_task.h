// A promise that an engine thread settles: the one base of everything asynchronous in the addon.
#pragma once

#include <napi.h>

#include <exception>
#include <optional>

#include "addon/mailbox.h"

namespace stateline::addon {

class PromiseTask {
 public:
  PromiseTask(Napi::Env env, Mailbox& mailbox) : mailbox_(mailbox), deferred_(Napi::Promise::Deferred::New(env)) {}
  virtual ~PromiseTask() = default;
  PromiseTask(const PromiseTask&) = delete;
  PromiseTask& operator=(const PromiseTask&) = delete;

  Napi::Promise promise() const { return deferred_.Promise(); }

  // Any thread: news() will be called.
  void notify() {
    mailbox_.post(*this, [] {});
  }
  // Any thread, once and last: the promise settles, and the task ends.
  void done(std::exception_ptr error) {
    mailbox_.post(*this, [&] {
      done_ = true;
      error_ = std::move(error);
    });
  }

 protected:
  Mailbox& mailbox() { return mailbox_; }

  // On JavaScript's thread.
  virtual Napi::Value result(Napi::Env env) = 0;  // what the promise resolves with
  virtual void news(Napi::Env) {}                 // what came before; an exception rejects the promise
  virtual void interrupted() {}                   // news() threw: nothing more is wanted

 private:
  friend class Mailbox;
  bool deliver(Napi::Env env);  // whether the promise has settled

  Mailbox& mailbox_;
  Napi::Promise::Deferred deferred_;
  std::optional<Napi::Error> thrown_;  // by news()
  // Under the mailbox's lock.
  bool queued_ = false;
  bool done_ = false;
  std::exception_ptr error_;
};

}  // namespace stateline::addon
