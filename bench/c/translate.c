/*
 * The baseline of bench/translation.ts: translates a range of a process's memory into scatter-gather segments.
 *
 *   translate PID ADDRESS LENGTH REPEATS [segments]
 *
 * prints the median of the nanoseconds that a translation took; with `segments`, then each segment as `ADDRESS LENGTH`
 * in hexadecimal. Each translation gives a list of its own, which the caller frees.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PRESENT (UINT64_C(1) << 63)
#define FRAME ((UINT64_C(1) << 55) - 1)
/* 64 KiB stays in the processor's cache until it is decoded; one read of everything is no faster. */
#define CHUNK_ENTRIES 8192

struct segment {
  uint64_t physical_address;
  uint64_t length_bytes;
};

struct list {
  struct segment *segments;
  size_t length;
  size_t capacity;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* A chunk adds at most one segment a page. */
static void reserve(struct list *list, size_t more) {
  if (list->length + more <= list->capacity) return;
  list->capacity = 2 * list->capacity > list->length + more ? 2 * list->capacity : list->length + more;
  list->segments = realloc(list->segments, list->capacity * sizeof *list->segments);
  if (!list->segments) fail("realloc");
}

static struct list translate(int pagemap, uint64_t address, uint64_t length_bytes, uint64_t page_bytes) {
  static uint64_t entries[CHUNK_ENTRIES];
  struct list list = {0};
  uint64_t first_page = address / page_bytes;
  uint64_t page_count = (address % page_bytes + length_bytes + page_bytes - 1) / page_bytes;
  uint64_t next = 0;
  for (uint64_t page = 0; page < page_count;) {
    uint64_t count = page_count - page < CHUNK_ENTRIES ? page_count - page : CHUNK_ENTRIES;
    ssize_t bytes_read = pread(pagemap, entries, count * sizeof *entries, (off_t)((first_page + page) * sizeof *entries));
    if (bytes_read < (ssize_t)sizeof *entries) fail("pread");
    count = (size_t)bytes_read / sizeof *entries;
    reserve(&list, count);
    struct segment *last = list.segments + list.length - 1;
    for (uint64_t index = 0; index < count; index++) {
      uint64_t entry = entries[index] & (PRESENT | FRAME);
      if (entry == next) {
        last->length_bytes += page_bytes;
      } else {
        if (entry <= PRESENT) {
          fprintf(stderr, "page %" PRIu64 " has no frame to show\n", page + index);
          exit(1);
        }
        *++last = (struct segment){(entry & FRAME) * page_bytes, page_bytes};
      }
      next = entry + 1;
    }
    list.length = (size_t)(last + 1 - list.segments);
    page += count;
  }
  if (list.length > 0) {
    uint64_t offset_bytes = address % page_bytes;
    list.segments[0].physical_address += offset_bytes;
    list.segments[0].length_bytes -= offset_bytes;
    list.segments[list.length - 1].length_bytes -= page_count * page_bytes - offset_bytes - length_bytes;
  }
  return list;
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

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: translate PID ADDRESS LENGTH REPEATS [segments]\n");
    return 2;
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/pagemap", argv[1]);
  int pagemap = open(path, O_RDONLY);
  if (pagemap < 0) fail(path);
  uint64_t address = strtoull(argv[2], NULL, 0), length_bytes = strtoull(argv[3], NULL, 0);
  size_t repeats = strtoull(argv[4], NULL, 0);
  uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
  uint64_t *times = calloc(repeats, sizeof *times);
  if (!times) fail("calloc");

  struct list list = translate(pagemap, address, length_bytes, page_bytes);
  for (size_t repeat = 0; repeat < repeats; repeat++) {
    free(list.segments);
    uint64_t started = now_ns();
    list = translate(pagemap, address, length_bytes, page_bytes);
    times[repeat] = now_ns() - started;
  }
  qsort(times, repeats, sizeof *times, compare);
  printf("%" PRIu64 "\n", times[repeats / 2]);
  if (argc > 5 && strcmp(argv[5], "segments") == 0) {
    for (size_t index = 0; index < list.length; index++) {
      printf("%" PRIx64 " %" PRIx64 "\n", list.segments[index].physical_address, list.segments[index].length_bytes);
    }
  }
  return 0;
}
