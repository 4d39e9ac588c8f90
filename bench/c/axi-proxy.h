/* The AXI Proxy's registers, for the programs of bench/axi-proxy.ts. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STATUS = 0x10, CONTROL = 0x14, STATS = 0x24, ADDR_LO = 0x40, ADDR_HI = 0x44, DATA_RD0 = 0xa0 };
enum { START_RD = 0x2, DONE_CLEAR = 0x100, DONE_WR = 0x1, DONE_RD = 0x2, READY = 0x300 };

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline volatile uint8_t *map_registers(const char *path) {
  int fd = open(path, O_RDWR);
  if (fd < 0) fail(path);
  volatile uint8_t *registers = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (registers == MAP_FAILED) fail("mmap");
  return registers;
}
