/* A baseline of bench/register-reads.ts, as a shared library: a register read for a foreign function interface to call. */
#include <stdint.h>

uint32_t load32(intptr_t address) {
  return *(const volatile uint32_t *)address;
}
