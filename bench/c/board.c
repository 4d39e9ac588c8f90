/*
 * What the virtual board's work takes at least on this machine.
 *
 *   board handshake   microseconds of two round trips between two threads that do nothing but look
 *   board fill        milliseconds to make 32 MiB of the Traffic Generator's pattern and write it through /proc/self/mem
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_TRIPS = 200000, BULK_BYTES = 32 << 20, SLICE_BYTES = 256 << 10 };

static atomic_int request, answer;

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void *answer_all(void *unused) {
  for (int i = 1; i <= ROUND_TRIPS; i++) {
    while (atomic_load(&request) != i);
    atomic_store(&answer, i);
  }
  return unused;
}

static double handshake(void) {
  pthread_t other;
  if (pthread_create(&other, NULL, answer_all, NULL) != 0) exit(1);
  double started = now_us();
  for (int i = 1; i <= ROUND_TRIPS; i++) {
    atomic_store(&request, i);
    while (atomic_load(&answer) != i);
  }
  double elapsed = now_us() - started;
  pthread_join(other, NULL);
  return 2 * elapsed / ROUND_TRIPS;
}

static double fill(void) {
  char *target = malloc(BULK_BYTES);
  uint32_t *slice = malloc(SLICE_BYTES);
  int memory = open("/proc/self/mem", O_RDWR);
  if (!target || !slice || memory < 0) exit(1);
  memset(target, 1, BULK_BYTES);
  double started = now_us();
  for (int done = 0; done < BULK_BYTES; done += SLICE_BYTES) {
    memset(slice, 0, SLICE_BYTES);
    for (int word = 0; word < SLICE_BYTES / 4; word += 4) slice[word] = (done + word * 4) / 16;
    if (pwrite(memory, slice, SLICE_BYTES, (off_t)(uintptr_t)(target + done)) != SLICE_BYTES) exit(1);
  }
  return (now_us() - started) / 1e3;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  printf("%f\n", strcmp(argv[1], "fill") == 0 ? fill() : handshake());
  return 0;
}
