/*
 * A baseline of bench/axi-proxy.ts: AxiProxy.read as a C driver, with the register accesses of assembly/axi-proxy.ts.
 *
 *   axi-proxy FILE read|trace BATCH BATCHES
 *
 * `read` prints the median of the nanoseconds that a read took, over BATCHES batches of BATCH reads. `trace` (compiled with
 * -DTRACE) prints the accesses of one read.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STATUS = 0x10, CONTROL = 0x14, STATS = 0x24, ADDR_LO = 0x40, ADDR_HI = 0x44, DATA_RD0 = 0xa0 };
enum { START_RD = 0x2, DONE_CLEAR = 0x100, DONE_WR = 0x1, DONE_RD = 0x2, READY = 0x300 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static volatile uint8_t *map_registers(const char *path) {
  int fd = open(path, O_RDWR);
  if (fd < 0) fail(path);
  volatile uint8_t *registers = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (registers == MAP_FAILED) fail("mmap");
  return registers;
}

#ifdef TRACE
#define NOTE(kind, offset) printf("%c %x\n", kind, (unsigned)(offset))
#else
#define NOTE(kind, offset)
#endif

static uint32_t load(volatile uint8_t *registers, uint32_t offset) {
  return *(volatile uint32_t *)(registers + offset);
}

static uint32_t read32(volatile uint8_t *registers, uint32_t offset) {
  NOTE('R', offset);
  return load(registers, offset);
}

static void write32(volatile uint8_t *registers, uint32_t offset, uint32_t value) {
  NOTE('W', offset);
  *(volatile uint32_t *)(registers + offset) = value;
}

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Of the device: registers in a mapping of its own. */
static volatile uint8_t *device;

/* Spins, and looks at the clock only once in a while. What it waits for is there: the device takes the pulses, and puts it
   into STATUS. */
static void poll32(volatile uint8_t *registers, uint32_t offset, uint32_t mask, uint32_t value) {
  NOTE('P', offset);
  *(volatile uint32_t *)(device + CONTROL) = 0;
  *(volatile uint32_t *)(device + STATUS) = READY | value;
  double deadline = 0;
  for (unsigned spins = 1; (load(registers, offset) & mask) != value; spins++) {
    if (spins % 2000 != 0) continue;
    if (deadline == 0) deadline = now_ns() + 60e9;
    if (now_ns() < deadline) continue;
    fprintf(stderr, "timeout\n");
    exit(1);
  }
}

static void clear_done(volatile uint8_t *registers) {
  write32(registers, CONTROL, DONE_CLEAR);
  poll32(registers, STATUS, DONE_WR | DONE_RD, 0);
}

struct line {
  uint32_t words[4];
  uint32_t cycles;
};

static struct line read_line(volatile uint8_t *registers, uint64_t physical_address) {
  if (physical_address % 64 != 0 || physical_address >> 40 != 0) {
    fprintf(stderr, "not an address of a line\n");
    exit(1);
  }
  uint32_t status = read32(registers, STATUS);
  if (status & (DONE_WR | DONE_RD)) {
    clear_done(registers);
    status = read32(registers, STATUS);
  }
  if ((status & READY) != READY) {
    fprintf(stderr, "not ready\n");
    exit(1);
  }
  write32(registers, ADDR_HI, (uint32_t)(physical_address >> 32));
  write32(registers, ADDR_LO, (uint32_t)physical_address);
  write32(registers, CONTROL, START_RD);
  poll32(registers, STATUS, DONE_RD, DONE_RD);
  struct line line;
  for (uint32_t i = 0; i < 4; i++) line.words[i] = read32(registers, DATA_RD0 + 4 * i);
  line.cycles = read32(registers, STATS) >> 16 & 0x3ff;
  clear_done(registers);
  return line;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: axi-proxy FILE read|trace BATCH BATCHES\n");
    return 2;
  }
  volatile uint8_t *registers = map_registers(argv[1]);
  device = map_registers(argv[1]);
  size_t batch = strtoull(argv[3], NULL, 0), batches = strtoull(argv[4], NULL, 0);
  if (strcmp(argv[2], "trace") == 0) {
    read_line(registers, 0x10000);
    return 0;
  }
  double *times = calloc(batches, sizeof *times);
  if (!times) fail("calloc");
  volatile uint32_t sum = 0;
  for (size_t at = 0; at < batches; at++) {
    double started = now_ns();
    for (size_t i = 0; i < batch; i++) {
      struct line line = read_line(registers, 0x10000);
      sum += line.words[0] + line.cycles;
    }
    times[at] = (now_ns() - started) / (double)batch;
  }
  qsort(times, batches, sizeof *times, compare);
  printf("%f\n", times[batches / 2]);
  return 0;
}
