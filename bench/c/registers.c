/*
 * A baseline of bench/register-reads.ts: reads a register over and over, as a C driver does.
 *
 *   registers FILE OFFSET COUNT REPEATS
 *
 * prints the median of the nanoseconds that a read took, over REPEATS loops of COUNT reads.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static uint32_t read_many(const volatile uint32_t *reg, size_t count) {
  uint32_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += *reg;
  return sum;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: registers FILE OFFSET COUNT REPEATS\n");
    return 2;
  }
  int fd = open(argv[1], O_RDWR);
  if (fd < 0) fail(argv[1]);
  size_t offset = strtoull(argv[2], NULL, 0), count = strtoull(argv[3], NULL, 0), repeats = strtoull(argv[4], NULL, 0);
  volatile uint8_t *registers = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (registers == MAP_FAILED) fail("mmap");
  const volatile uint32_t *reg = (const volatile uint32_t *)(registers + offset);
  double *times = calloc(repeats, sizeof *times);
  if (!times) fail("calloc");

  volatile uint32_t sum = read_many(reg, count);
  for (size_t repeat = 0; repeat < repeats; repeat++) {
    double started = now_ns();
    sum = read_many(reg, count);
    times[repeat] = (now_ns() - started) / (double)count;
  }
  (void)sum;
  qsort(times, repeats, sizeof *times, compare);
  printf("%f\n", times[repeats / 2]);
  return 0;
}
