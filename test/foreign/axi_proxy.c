/*
 * Tries an AXI Proxy: single transfers of a cache line into ordinary memory or the u-dma-buf.
 *
 * axi_proxy hp|hpc|acp memory|u-dma-buf [count [keep]]
 *
 * Programs the FPGA if need be, and removes the overlay again unless it is to be kept.
 */
#include "zynqmp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ID_REG = 0x00, VERSION = 0x04, SCRATCH = 0x0C, CONFIG_AXI = 0x20, STATS = 0x24,
    ADDR_LO = 0x40, ADDR_HI = 0x44, DATA_WR = 0x60, DATA_RD = 0xA0,
    DONE_WR = 1 << 0, DONE_RD = 1 << 1, START_WR = 1 << 0, START_RD = 1 << 1
};

#define LINE_BYTES 64
#define BEAT_BYTES 16
#define GUARD_BYTES LINE_BYTES

static struct uio proxy_open(const char *port)
{
    struct uio proxy = uio_open("AxiProxy", port);

    if (read32(&proxy, ID_REG) != 0xA8122081 || read32(&proxy, VERSION) != 0x00000301)
        fail("ID and VERSION read %#x and %#x", read32(&proxy, ID_REG), read32(&proxy, VERSION));
    write32(&proxy, SCRATCH, 0xCAFEBABE);
    if (read32(&proxy, SCRATCH) != 0xCAFEBABE)
        fail("SCRATCH does not hold what was written");
    write32(&proxy, CONFIG_AXI, sideband(port));
    return proxy;
}

/* Both give the clock cycles that the transfer took. */
static uint32_t proxy_write(const struct uio *proxy, uint64_t address, const uint32_t words[4])
{
    for (unsigned index = 0; index < 4; index++)
        write32(proxy, DATA_WR + 4 * index, words[index]);
    write32(proxy, ADDR_HI, (uint32_t)(address >> 32));
    write32(proxy, ADDR_LO, (uint32_t)address);
    transfer(proxy, START_WR, DONE_WR);
    return read32(proxy, STATS) & 0x3FF;
}

static uint32_t proxy_read(const struct uio *proxy, uint64_t address, uint32_t words[4])
{
    write32(proxy, ADDR_HI, (uint32_t)(address >> 32));
    write32(proxy, ADDR_LO, (uint32_t)address);
    transfer(proxy, START_RD, DONE_RD);
    for (unsigned index = 0; index < 4; index++)
        words[index] = read32(proxy, DATA_RD + 4 * index);
    return read32(proxy, STATS) >> 16 & 0x3FF;
}

/* A line is filled, read and overwritten through the proxy, and must end as 16 bytes of data and 48 zeros. */
static void try_line(const struct uio *proxy, const struct buffer *buffer, size_t offset, uint32_t longest[2])
{
    uint8_t *line = buffer->bytes + offset, before[LINE_BYTES], expected[LINE_BYTES] = {0};
    uint64_t address = physical_address(buffer, offset);
    uint32_t words[4], cycles;

    for (unsigned index = 0; index < LINE_BYTES; index++)
        before[index] = (uint8_t)rand();
    memset(line - GUARD_BYTES, 0xA5, LINE_BYTES + 2 * GUARD_BYTES);
    memcpy(line, before, LINE_BYTES);
    cycles = proxy_read(proxy, address, words);
    longest[0] = cycles > longest[0] ? cycles : longest[0];
    if (memcmp(words, before, BEAT_BYTES) != 0)
        fail("%#" PRIx64 " read as %08x %08x %08x %08x", address, words[0], words[1], words[2], words[3]);
    if (memcmp(line, before, LINE_BYTES) != 0)
        fail("a read changed the line at %#" PRIx64, address);
    for (unsigned index = 0; index < 4; index++)
        words[index] = (uint32_t)rand() << 16 ^ (uint32_t)rand();
    memcpy(expected, words, BEAT_BYTES);
    cycles = proxy_write(proxy, address, words);
    longest[1] = cycles > longest[1] ? cycles : longest[1];
    for (unsigned index = 0; index < LINE_BYTES; index++)
        if (line[index] != expected[index])
            fail("byte %u of the line at %#" PRIx64 " is %#x, not %#x", index, address, line[index], expected[index]);
    for (unsigned index = 1; index <= GUARD_BYTES; index++)
        if (line[-(int)index] != 0xA5 || line[LINE_BYTES + index - 1] != 0xA5)
            fail("bytes beside the line at %#" PRIx64 " were changed", address);
}

int main(int argc, char **argv)
{
    const size_t part = 16384;
    size_t lines, first;
    uint32_t longest[2] = {0, 0};
    struct uio proxy;
    struct buffer buffer;
    int count = argc > 3 ? atoi(argv[3]) : 20;

    if (argc < 3)
        fail("usage: %s hp|hpc|acp memory|u-dma-buf [count [keep]]", argv[0]);
    /* A part for each port, with guard bytes at both ends. */
    first = part * port_number(argv[1]) + GUARD_BYTES;
    lines = (part - 2 * GUARD_BYTES) / LINE_BYTES;
    if (!fpga_is_programmed())
        fpga_program("axi_proxy");
    proxy = proxy_open(argv[1]);
    buffer = buffer_open(argv[2], 3 * part);
    for (int done = 0; done < count; done++)
        try_line(&proxy, &buffer, first + (size_t)rand() % lines * LINE_BYTES, longest);
    if (argc < 5)
        fpga_remove();
    printf("%s AxiProxy:%s, %s: %d lines of 64 bytes, at most %u cycles a read and %u a write\n", proxy.id, argv[1],
           argv[2], count, longest[0], longest[1]);
    return 0;
}
