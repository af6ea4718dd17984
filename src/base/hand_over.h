// SPDX-License-Identifier: Apache-2.0
// A library may promise that what one thread did before it gave an object away is seen by the thread that
// gets it, as gRPC does for reactors. Where the library was not built for the thread sanitizer, the sanitizer
// cannot see the promise: say it with this pair. Outside of sanitized builds both do nothing.
#ifndef CLEAVE_BASE_HAND_OVER_H_
#define CLEAVE_BASE_HAND_OVER_H_

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace cleave {

// On the giving thread, last.
inline void HandOver([[maybe_unused]] void* object) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(object);
#endif
}

// On the receiving thread, before `object` is read.
inline void TakeOver([[maybe_unused]] void* object) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(object);
#endif
}

}  // namespace cleave

#endif  // CLEAVE_BASE_HAND_OVER_H_
