/*
 * How soon a device answers that nobody has used for a second, while every processor is busy.
 *
 *   response DEVICE ADDRESS COUNT   an AXI Proxy's /dev/uioN, an address that it may read: COUNT lines, each the
 *                                   milliseconds until it is done, and those of a thread here that looks every 0.5 ms
 *
 * Who waits looks every 0.05 ms, and so long at the least a time is. It asks for short turns (Linux 6.12 and later), so as
 * not to be kept waiting itself: what would be measured then is how long a busy program keeps its core.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS = 0x10 / 4, CONTROL = 0x14 / 4, ADDR_LO = 0x40 / 4, ADDR_HI = 0x44 / 4 };
enum { START_RD = 1 << 1, DONE_RD = 1 << 1, DONE_CLEAR = 1 << 8 };
enum { HALF_SECOND_US = 500000, LOOK_US = 50, THREAD_LOOK_US = 500, LATE_MS = 10000 };

static atomic_uint thread_control, thread_status;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void *look(void *unused) {
  for (;;) {
    if (atomic_exchange(&thread_control, 0) == START_RD) atomic_store(&thread_status, DONE_RD);
    usleep(THREAD_LOOK_US);
  }
  return unused;
}

/* A process that keeps a processor busy, until this one ends at the latest. */
static pid_t occupy(void) {
  pid_t parent = getpid(), child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (getppid() == parent) {
    for (volatile int i = 0; i < 1000000; i++) {
    }
  }
  _exit(0);
}

/* Has this thread take its turn sooner, in return for turns of 0.1 ms. See sched_setattr(2). */
static void take_short_turns(void) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {sizeof attributes, 0, 0, 0, 0, 100000, 0, 0};
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static double answer_ms(volatile atomic_uint *control, volatile atomic_uint *status) {
  double started = now_ms();
  atomic_store(control, START_RD);
  while (!(atomic_load(status) & DONE_RD)) {
    if (now_ms() - started > LATE_MS) {
      fprintf(stderr, "no answer within %d ms\n", LATE_MS);
      exit(1);
    }
    usleep(LOOK_US);
  }
  return now_ms() - started;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int device = open(argv[1], O_RDWR);
  volatile atomic_uint *registers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
  if (registers == MAP_FAILED) {
    perror(argv[1]);
    return 1;
  }
  int busy_count = get_nprocs();
  pid_t busy[busy_count];
  for (int i = 0; i < busy_count; i++) {
    busy[i] = occupy();
    if (busy[i] < 0) return 1;
  }
  pthread_t other;
  if (pthread_create(&other, NULL, look, NULL) != 0) return 1;
  take_short_turns();
  uint64_t address = strtoull(argv[2], NULL, 0);
  atomic_store(&registers[ADDR_LO], (uint32_t)address);
  atomic_store(&registers[ADDR_HI], (uint32_t)(address >> 32));
  for (int i = 0; i < atoi(argv[3]); i++) {
    usleep(HALF_SECOND_US);
    double device_ms = answer_ms(&registers[CONTROL], &registers[STATUS]);
    atomic_store(&registers[CONTROL], DONE_CLEAR);
    usleep(HALF_SECOND_US);
    atomic_store(&thread_status, 0);
    printf("%f %f\n", device_ms, answer_ms(&thread_control, &thread_status));
  }
  for (int i = 0; i < busy_count; i++) {
    kill(busy[i], SIGKILL);
    waitpid(busy[i], NULL, 0);
  }
  return 0;
}
