#include "addon/promise_task.h"

#include "addon/errors.h"

namespace stateline::addon {

bool PromiseTask::deliver(Napi::Env env) {
  bool done;
  {
    std::lock_guard lock(mailbox_.mutex());
    done = done_;
    queued_ = false;  // no earlier: a task that ends here must not wait in the mailbox once more
  }
  if (!thrown_) {
    try {
      news(env);
    } catch (const Napi::Error& error) {
      thrown_ = error;
      interrupted();
    }
  }
  if (!done) return false;
  if (thrown_) {
    deferred_.Reject(thrown_->Value());
  } else if (error_) {
    deferred_.Reject(to_javascript(env, error_).Value());
  } else {
    try {
      deferred_.Resolve(result(env));
    } catch (...) {
      deferred_.Reject(to_javascript(env, std::current_exception()).Value());
    }
  }
  return true;
}

}  // namespace stateline::addon
