/*
 * Tries an AXI Traffic Generator: fills a buffer with its counting pattern and lets it be read back.
 *
 * axi_traffic_gen hp|hpc|acp memory|u-dma-buf [size [keep]]
 *
 * Programs the FPGA if need be, and removes the overlay again unless it is to be kept.
 */
#include "zynqmp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ID_REG = 0x00, VERSION = 0x04, CONFIG = 0x08, SCRATCH = 0x0C, CONFIG_AXI = 0x20, LENGTH = 0x30,
    ADDR_LO = 0x40, ADDR_HI = 0x44, CNTR_RD_CYC = 0x50, CNTR_WR_CYC = 0x54, CNTR_RD_OK = 0x58,
    DONE_WR = 1 << 0, DONE_RD = 1 << 1, START_WR = 1 << 0, START_RD = 1 << 1
};

#define BEAT_BYTES 16
#define BURST_BYTES 64
#define GUARD_BYTES 4096

static struct uio generator_open(const char *port)
{
    struct uio generator = uio_open("AxiTrafficGen", port);

    if (read32(&generator, ID_REG) != 0xA8172A9E || read32(&generator, VERSION) != 0x00000907)
        fail("ID and VERSION read %#x and %#x", read32(&generator, ID_REG), read32(&generator, VERSION));
    if ((read32(&generator, CONFIG) & 0xFF) != BURST_BYTES / BEAT_BYTES)
        fail("bursts do not have 4 beats: CONFIG reads %#x", read32(&generator, CONFIG));
    write32(&generator, SCRATCH, 0x12345678);
    if (read32(&generator, SCRATCH) != 0x12345678)
        fail("SCRATCH does not hold what was written");
    write32(&generator, CONFIG_AXI, sideband(port));
    return generator;
}

static void aim(const struct uio *generator, uint64_t address, size_t size)
{
    write32(generator, ADDR_HI, (uint32_t)(address >> 32));
    write32(generator, ADDR_LO, (uint32_t)address);
    write32(generator, LENGTH, (uint32_t)(size / BURST_BYTES));
}

/* The beats of the last read that were as in the pattern must be all but `missed`. */
static void read_back(const struct uio *generator, size_t size, uint32_t missed)
{
    uint32_t beats = (uint32_t)(size / BEAT_BYTES), good;

    transfer(generator, START_RD, DONE_RD);
    good = read32(generator, CNTR_RD_OK);
    if (good != beats - missed)
        fail("%u of %u beats read well, not %u", good, beats, beats - missed);
}

/* Beat k is the 128-bit number k. */
static void check_pattern(const uint8_t *bytes, size_t size)
{
    for (size_t offset = 0; offset < size; offset++) {
        size_t beat = offset / BEAT_BYTES, byte = offset % BEAT_BYTES;
        uint8_t expected = byte < 4 ? (uint8_t)(beat >> 8 * byte) : 0;

        if (bytes[offset] != expected)
            fail("byte %zu of beat %zu is %#x, not %#x", byte, beat, bytes[offset], expected);
    }
}

/* One physical range: written, checked, read back, and once more with a bit that was flipped. */
static void try_range(const struct uio *generator, const struct buffer *buffer, size_t offset, size_t size,
                      uint64_t cycles[2])
{
    aim(generator, physical_address(buffer, offset), size);
    transfer(generator, START_WR, DONE_WR);
    cycles[1] += read32(generator, CNTR_WR_CYC);
    check_pattern(buffer->bytes + offset, size);
    read_back(generator, size, 0);
    cycles[0] += read32(generator, CNTR_RD_CYC);
    buffer->bytes[offset + size / 2] ^= 0x10;
    read_back(generator, size, 1);
}

static void check_guard(const struct buffer *buffer, size_t offset)
{
    for (size_t index = 0; index < GUARD_BYTES; index++)
        if (buffer->bytes[offset + index] != 0xA5)
            fail("byte %zu beside the range was changed", offset + index);
}

int main(int argc, char **argv)
{
    size_t size = argc > 3 ? strtoul(argv[3], NULL, 0) : 65536, part = size + 2 * GUARD_BYTES, first, length;
    uint64_t cycles[2] = {0, 0};
    struct uio generator;
    struct buffer buffer;

    if (argc < 3)
        fail("usage: %s hp|hpc|acp memory|u-dma-buf [size [keep]]", argv[0]);
    if (!fpga_is_programmed())
        fpga_program("axi_traffic_gen");
    generator = generator_open(argv[1]);
    /* A part for each port, with guard bytes at both ends. */
    buffer = buffer_open(argv[2], 3 * part);
    first = part * port_number(argv[1]) + GUARD_BYTES;
    memset(buffer.bytes + first - GUARD_BYTES, 0xA5, part);
    for (size_t offset = first; offset < first + size; offset += length) {
        length = contiguous_bytes(&buffer, offset);
        length = length < first + size - offset ? length : first + size - offset;
        try_range(&generator, &buffer, offset, length, cycles);
    }
    check_guard(&buffer, first - GUARD_BYTES);
    check_guard(&buffer, first + size);
    if (argc < 5)
        fpga_remove();
    printf("%s AxiTrafficGen:%s, %s: %zu bytes, %" PRIu64 " cycles to read and %" PRIu64 " to write\n", generator.id,
           argv[1], argv[2], size, cycles[0], cycles[1]);
    return 0;
}
