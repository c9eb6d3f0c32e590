#include "addon/mailbox.h"

#include "addon/promise_task.h"

namespace stateline::addon {

Mailbox::Mailbox(Napi::Env env) : env_(env), bell_(Bell::New(env, "stateline", 0, 1, this)) { bell_.Unref(env); }

Mailbox::~Mailbox() = default;

void Mailbox::keep(std::unique_ptr<PromiseTask> task) {
  if (kept_.empty()) bell_.Ref(env_);
  PromiseTask* key = task.get();
  kept_.emplace(key, std::move(task));
}

void Mailbox::close() {
  kept_.clear();
  bell_.Abort();
}

void Mailbox::enqueue(PromiseTask& task) {
  if (task.queued_) return;
  task.queued_ = true;
  letters_.push_back(&task);
}

void Mailbox::ring() {
  {
    std::lock_guard lock(mutex_);
    if (rung_ || letters_.empty()) return;
    rung_ = true;
  }
  bell_.NonBlockingCall();  // not under the lock, which is what the woken thread wants first
}

void Mailbox::call(Napi::Env env, Napi::Function, Mailbox* mailbox, void*) {
  if (env != nullptr) mailbox->deliver(env);  // null while the environment ends
}

void Mailbox::deliver(Napi::Env env) {
  std::vector<PromiseTask*> letters;
  {
    std::lock_guard lock(mutex_);
    letters.swap(letters_);
    rung_ = false;
  }
  for (PromiseTask* task : letters) {
    Napi::HandleScope scope(env);
    if (!task->deliver(env)) continue;
    kept_.erase(task);
    if (kept_.empty()) bell_.Unref(env);
  }
}

}  // namespace stateline::addon
