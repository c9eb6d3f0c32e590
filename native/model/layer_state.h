// What a layer remembers of its sequences between steps.
#pragma once

#include "device/device.h"

namespace stateline {

struct LayerState {
  ConvState conv;
  SsmState ssm;  // of the mixer's first head; the others' follow within the slot
  KvCache kv;    // of hybrid layers
};

}  // namespace stateline
