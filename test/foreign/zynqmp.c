#define _GNU_SOURCE
#include "zynqmp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OVERLAY "/configfs/device-tree/overlays/full"
#define FPGA_IMAGE "/sys/kernel/debug/fpga/fpga0/image"
#define FPGA_STATE "/sys/class/fpga_manager/fpga0/state"
#define UIO_CLASS "/sys/class/uio"
#define U_DMA_BUF "axi:udmabuf@0x0"
#define PATH_BYTES 512

/* From the overlay to the last device node. On a loaded system udev takes its time. */
#define SETTLING_S 10.0
/* A transfer takes microseconds; whoever waits this long waits for ever. */
#define TRANSFER_TIMEOUT_S 5.0

enum { STATUS = 0x10, CONTROL = 0x14, IDLE = 0x300, DONE_CLEAR = 1 << 8 };

void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Reads a small file; false if there is none. Ends the text before its newline, if it has one. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t length;

    if (fd < 0)
        return false;
    length = read(fd, text, size - 1);
    close(fd);
    if (length < 0)
        return false;
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}

bool fpga_is_programmed(void)
{
    struct stat overlay;
    char word[5];

    /* Only an operating FPGA lets its configuration be read back. */
    return stat(OVERLAY, &overlay) == 0 && S_ISDIR(overlay.st_mode) && read_text(FPGA_IMAGE, word, sizeof word);
}

static void link_firmware(const char *design, const char *suffix)
{
    char path[PATH_BYTES], link[PATH_BYTES];

    snprintf(path, sizeof path, "/lib/firmware/xilinx/%s/%s%s", design, design, suffix);
    snprintf(link, sizeof link, "/lib/firmware/%s%s", design, suffix);
    if (access(path, R_OK) != 0)
        fail("%s: %s", path, strerror(errno));
    if (symlink(path, link) != 0 && errno != EEXIST)
        fail("%s: %s", link, strerror(errno));
}

/* Believes what is read back, since some kernels report no failure. */
static bool apply(const char *name)
{
    char applied[PATH_BYTES], state[PATH_BYTES];
    int fd = open(OVERLAY "/path", O_WRONLY);
    bool written;

    if (fd < 0)
        return false;
    written = write(fd, name, strlen(name)) == (ssize_t)strlen(name);
    close(fd);
    return written && read_text(OVERLAY "/path", applied, sizeof applied) && strcmp(applied, name) == 0 &&
           read_text(FPGA_STATE, state, sizeof state) && strncmp(state, "operating", 9) == 0;
}

void fpga_program(const char *design)
{
    char name[PATH_BYTES];

    link_firmware(design, ".bit.bin");
    link_firmware(design, ".dtbo");
    if (mkdir(OVERLAY, 0755) != 0)
        fail("mkdir %s: %s", OVERLAY, strerror(errno));
    snprintf(name, sizeof name, "%s.dtbo", design);
    errno = 0;
    if (!apply(name)) {
        int error = errno;

        rmdir(OVERLAY);
        fail("cannot apply %s: %s", name, error ? strerror(error) : "the overlay was refused, or the FPGA does not operate");
    }
}

void fpga_remove(void)
{
    DIR *directory;
    const struct dirent *entry;

    if (rmdir(OVERLAY) != 0)
        fail("rmdir %s: %s", OVERLAY, strerror(errno));
    if (access(OVERLAY, F_OK) == 0)
        fail("the overlay is still there");
    directory = opendir(UIO_CLASS);
    while (directory && (entry = readdir(directory)))
        if (entry->d_name[0] != '.')
            fail("%s is left", entry->d_name);
    if (directory)
        closedir(directory);
}

static bool is_device(const char *id, const char *name, const char *note)
{
    char path[PATH_BYTES], text[PATH_BYTES];

    snprintf(path, sizeof path, UIO_CLASS "/%s/name", id);
    if (!read_text(path, text, sizeof text) || strcmp(text, name) != 0)
        return false;
    snprintf(path, sizeof path, UIO_CLASS "/%s/device/of_node/jan-note", id);
    if (!read_text(path, text, sizeof text) || strcmp(text, note) != 0)
        return false;
    snprintf(path, sizeof path, "/dev/%s", id);
    return access(path, R_OK | W_OK) == 0;
}

static bool uio_find(const char *name, const char *note, char *id, size_t size)
{
    DIR *directory = opendir(UIO_CLASS);
    const struct dirent *entry;
    bool found = false;

    if (!directory)
        fail("%s: %s", UIO_CLASS, strerror(errno));
    while (!found && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, "uio", 3) != 0 || strlen(entry->d_name) >= size)
            continue;
        found = is_device(entry->d_name, name, note);
        strcpy(id, entry->d_name);
    }
    closedir(directory);
    return found;
}

struct uio uio_open(const char *name, const char *note)
{
    double deadline = now() + SETTLING_S;
    char path[PATH_BYTES], size[PATH_BYTES];
    struct uio uio;
    void *registers;
    int fd;

    while (!uio_find(name, note, uio.id, sizeof uio.id)) {
        if (now() > deadline)
            fail("no UIO device %s with the note %s", name, note);
        usleep(10000);
    }
    snprintf(path, sizeof path, UIO_CLASS "/%s/maps/map0/size", uio.id);
    if (!read_text(path, size, sizeof size))
        fail("%s: %s", path, strerror(errno));
    snprintf(path, sizeof path, "/dev/%s", uio.id);
    fd = open(path, O_RDWR | O_SYNC);
    if (fd < 0)
        fail("%s: %s", path, strerror(errno));
    registers = mmap(NULL, strtoul(size, NULL, 16), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (registers == MAP_FAILED)
        fail("mmap %s: %s", path, strerror(errno));
    close(fd);
    uio.registers = registers;
    return uio;
}

static void wait_status(const struct uio *uio, uint32_t mask, uint32_t value)
{
    double deadline = now() + TRANSFER_TIMEOUT_S;

    while ((read32(uio, STATUS) & mask) != value)
        if (now() > deadline)
            fail("timeout: STATUS reads %#x", read32(uio, STATUS));
}

void transfer(const struct uio *uio, uint32_t start, uint32_t done)
{
    wait_status(uio, ~0u, IDLE);
    write32(uio, CONTROL, read32(uio, CONTROL) | start);
    wait_status(uio, done, done);
    write32(uio, CONTROL, read32(uio, CONTROL) | DONE_CLEAR);
}

struct buffer buffer_open(const char *kind, size_t size)
{
    struct buffer buffer = {.size = size};
    char text[PATH_BYTES];
    int fd;

    if (strcmp(kind, "memory") == 0) {
        buffer.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    } else if (strcmp(kind, "u-dma-buf") == 0) {
        if (!read_text("/sys/class/u-dma-buf/" U_DMA_BUF "/phys_addr", text, sizeof text))
            fail("there is no u-dma-buf: %s", strerror(errno));
        buffer.physical_address = strtoull(text, NULL, 16);
        fd = open("/dev/" U_DMA_BUF, O_RDWR | O_SYNC);
        if (fd < 0)
            fail("/dev/" U_DMA_BUF ": %s", strerror(errno));
        buffer.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    } else {
        fail("there is no buffer of the kind %s", kind);
    }
    if (buffer.bytes == MAP_FAILED)
        fail("cannot map %zu bytes of %s: %s", size, kind, strerror(errno));
    return buffer;
}

uint64_t physical_address(const struct buffer *buffer, size_t offset)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), virtual = (uint64_t)(uintptr_t)(buffer->bytes + offset), entry, frame;
    int fd;

    if (buffer->physical_address)
        return buffer->physical_address + offset;
    fd = open("/proc/self/pagemap", O_RDONLY);
    if (fd < 0 || pread(fd, &entry, sizeof entry, (off_t)(virtual / page * sizeof entry)) != sizeof entry)
        fail("/proc/self/pagemap: %s", strerror(errno));
    close(fd);
    if (!(entry >> 63))
        fail("the page of %#" PRIx64 " is not present", virtual);
    frame = entry & ((UINT64_C(1) << 55) - 1);
    if (!frame)
        fail("page frame numbers are hidden from this user");
    return frame * page + virtual % page;
}

size_t contiguous_bytes(const struct buffer *buffer, size_t offset)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), left = buffer->size - offset, in_page = page - offset % page;

    return buffer->physical_address || left < in_page ? left : in_page;
}

uint32_t sideband(const char *port)
{
    /* HP is not coherent. HPC and ACP: CACHE 15, PROT 2, USER 1. */
    return strcmp(port, "hp") == 0 ? 0 : 15 | 2 << 8 | 1 << 16;
}

unsigned port_number(const char *port)
{
    static const char *const ports[] = {"hp", "hpc", "acp"};

    for (unsigned number = 0; number < 3; number++)
        if (strcmp(ports[number], port) == 0)
            return number;
    fail("there is no port %s", port);
}
