// The name that programs for the known bridge include.

#ifndef ANE_BRIDGE_H
#define ANE_BRIDGE_H

#include "engrad_bridge.h"

#endif  // ANE_BRIDGE_H
