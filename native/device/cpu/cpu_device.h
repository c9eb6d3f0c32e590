// The device every machine has.
#pragma once

#include <memory>

#include "device/device.h"

namespace stateline {

// A device whose ops run on `threads` threads, the caller's included. Throws E_ISA (dispatch.h) and E_THREADS.
std::unique_ptr<Device> make_cpu_device(int threads);

}  // namespace stateline
