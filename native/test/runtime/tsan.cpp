// ThreadSanitizer does not see the atomic count of an exception_ptr, which libstdc++.so keeps uninstrumented, and takes
// the last owner's free for a race with an earlier owner's reading.
#if defined(__SANITIZE_THREAD__)
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n";
}
#endif
