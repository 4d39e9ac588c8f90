/*
 * The device of bench/axi-proxy.ts: an AXI Proxy that answers as fast as another processor can, and moves no data.
 *
 *   axi-proxy-device FILE
 *
 * serves the registers until its parent ends it, or ends.
 */
#include "axi-proxy.h"
#include <signal.h>
#include <sys/prctl.h>

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: axi-proxy-device FILE\n");
    return 2;
  }
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail("prctl");
  volatile uint8_t *registers = map_registers(argv[1]);
  uint32_t *control = (uint32_t *)(registers + CONTROL), *status = (uint32_t *)(registers + STATUS);
  for (;;) {
    uint32_t pulses = __atomic_load_n(control, __ATOMIC_ACQUIRE);
    if (pulses == 0) continue;
    __atomic_store_n(control, 0, __ATOMIC_RELAXED);
    uint32_t next = __atomic_load_n(status, __ATOMIC_RELAXED);
    if (pulses & DONE_CLEAR) next &= ~(uint32_t)(DONE_WR | DONE_RD);
    if (pulses & START_RD) next |= DONE_RD;
    __atomic_store_n(status, next, __ATOMIC_RELEASE);
  }
}
