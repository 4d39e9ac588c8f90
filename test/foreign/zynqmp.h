/* FPGA programming, UIO devices and physical addresses on a Zynq MPSoC, as its Linux offers them. */
#ifndef ZYNQMP_H
#define ZYNQMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The registers of a UIO device. */
struct uio {
    char id[16]; /* "uio4" */
    volatile uint32_t *registers;
};

/* Memory for a device. */
struct buffer {
    uint8_t *bytes;
    size_t size;
    uint64_t physical_address; /* of a u-dma-buf, which is one range; 0 for ordinary memory */
};

/* Says what is wrong and ends the program with 1. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

bool fpga_is_programmed(void);
void fpga_program(const char *design);
void fpga_remove(void);

/* A device by its name and the note in its device-tree node. */
struct uio uio_open(const char *name, const char *note);

static inline uint32_t read32(const struct uio *uio, unsigned offset)
{
    return uio->registers[offset / 4];
}

static inline void write32(const struct uio *uio, unsigned offset, uint32_t value)
{
    uio->registers[offset / 4] = value;
}

/* Starts a transfer and waits for its end; CONTROL and STATUS are the same on both cores. */
void transfer(const struct uio *uio, uint32_t start, uint32_t done);

/* Ordinary memory, locked; or the first bytes of the reference system's u-dma-buf. Kind: "memory" or "u-dma-buf". */
struct buffer buffer_open(const char *kind, size_t size);

/* Where a byte of a buffer lies, and how many bytes follow it there. */
uint64_t physical_address(const struct buffer *buffer, size_t offset);
size_t contiguous_bytes(const struct buffer *buffer, size_t offset);

/* AxCACHE, AxPROT and AxUSER as CONFIG_AXI takes them, by port. */
uint32_t sideband(const char *port);
/* 0, 1 or 2. */
unsigned port_number(const char *port);

#endif
