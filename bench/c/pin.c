/*
 * The baseline of bench/pinning.ts: pins touched memory as a fixed buffer of an io_uring instance.
 *
 *   pin LENGTH REPEATS
 *
 * prints the median of the nanoseconds that io_uring_register(2) took, the setup and the end of the ring left out.
 */
#include <linux/io_uring.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static uint64_t pin_ns(struct iovec buffer) {
  struct io_uring_params params = {0};
  int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
  if (ring < 0) fail("io_uring_setup");
  uint64_t started = now_ns();
  if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1) < 0) fail("io_uring_register");
  uint64_t time_ns = now_ns() - started;
  close(ring);
  return time_ns;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: pin LENGTH REPEATS\n");
    return 2;
  }
  size_t length_bytes = strtoull(argv[1], NULL, 0), repeats = strtoull(argv[2], NULL, 0);
  size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  uint8_t *memory = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  for (size_t at = 0; at < length_bytes; at += page_bytes) memory[at] = 1;
  struct iovec buffer = {memory, length_bytes};
  uint64_t *times = calloc(repeats, sizeof *times);
  if (!times) fail("calloc");

  pin_ns(buffer);
  for (size_t repeat = 0; repeat < repeats; repeat++) times[repeat] = pin_ns(buffer);
  qsort(times, repeats, sizeof *times, compare);
  printf("%" PRIu64 "\n", times[repeats / 2]);
  return 0;
}
