// What a layer remembers of its sequences between steps.
#pragma once

#include "device/device.h"

namespace stateline {

struct MixerState {
  ConvState conv;
  SsmState ssm;
};

}  // namespace stateline
