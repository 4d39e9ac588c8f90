"""A baseline of bench/axi-proxy.ts: AxiProxy.read as a Python driver, with the register accesses of assembly/axi-proxy.ts.
Registers are members of a ctypes structure, as in the notebook's driver.

axi-proxy.py FILE read BATCH BATCHES prints the median of the nanoseconds that a read took; axi-proxy.py FILE trace 1 1
the accesses of one read.
"""

import ctypes
import mmap
import os
import statistics
import sys
import time

STATUS = 0x10 // 4
CONTROL = 0x14 // 4
READY = 0x300
DONE_RD = 0x2
DONE = 0x3
START_RD = 0x2
DONE_CLEAR = 0x100


class Registers(ctypes.Structure):
    _fields_ = [
        ("ID_REG", ctypes.c_uint32),
        ("VERSION", ctypes.c_uint32),
        ("RSVD_0x8", ctypes.c_uint32),
        ("SCRATCH", ctypes.c_uint32),
        ("STATUS", ctypes.c_uint32),
        ("CONTROL", ctypes.c_uint32),
        ("RSVD_0x18", ctypes.c_uint32 * 2),
        ("CONFIG_AXI", ctypes.c_uint32),
        ("STATS", ctypes.c_uint32),
        ("RSVD_0x28", ctypes.c_uint32 * 6),
        ("ADDR_LO", ctypes.c_uint32),
        ("ADDR_HI", ctypes.c_uint32),
        ("RSVD_0x48", ctypes.c_uint32 * 22),
        ("DATA_RD0", ctypes.c_uint32),
        ("DATA_RD1", ctypes.c_uint32),
        ("DATA_RD2", ctypes.c_uint32),
        ("DATA_RD3", ctypes.c_uint32),
    ]


class AxiProxy:
    def __init__(self, regs, device):
        self.regs = regs
        # Of the device: registers in a mapping of its own.
        self.device = device

    def read(self, addr):
        assert addr % 64 == 0 and addr < 1 << 40, "not an address of a line"
        regs = self.regs
        status = regs.STATUS
        if status & DONE:
            self._clear_done()
            status = regs.STATUS
        assert status & READY == READY, "FSM is not ready"
        regs.ADDR_HI = addr >> 32
        regs.ADDR_LO = addr & 0xFFFFFFFF
        regs.CONTROL = START_RD
        self._poll_status(DONE_RD, DONE_RD)
        data = [getattr(regs, f"DATA_RD{i}") for i in range(4)]
        duration = (regs.STATS >> 16) & 0x3FF
        self._clear_done()
        return data, duration

    def _clear_done(self):
        self.regs.CONTROL = DONE_CLEAR
        self._poll_status(DONE, 0)

    def _poll_status(self, mask, value):
        # What it waits for is there: the device takes the pulses, and puts it into STATUS.
        self.device[CONTROL] = 0
        self.device[STATUS] = READY | value
        regs = self.regs
        if regs.STATUS & mask == value:
            return
        deadline = time.monotonic() + 60
        while regs.STATUS & mask != value:
            if time.monotonic() > deadline:
                raise RuntimeError("timeout")


class Trace:
    """The registers, each access printed."""

    def __init__(self, regs):
        object.__setattr__(self, "regs", regs)

    def __getattr__(self, name):
        print(f"R {getattr(Registers, name).offset:x}")
        return getattr(self.regs, name)

    def __setattr__(self, name, value):
        print(f"W {getattr(Registers, name).offset:x}")
        setattr(self.regs, name, value)


class TracedAxiProxy(AxiProxy):
    def __init__(self, regs, device):
        super().__init__(Trace(regs), device)
        self.untraced = AxiProxy(regs, device)

    def _poll_status(self, mask, value):
        print(f"P {Registers.STATUS.offset:x}")
        self.untraced._poll_status(mask, value)


def batch_ns(proxy, batch):
    started = time.perf_counter_ns()
    for _ in range(batch):
        proxy.read(0x10000)
    return (time.perf_counter_ns() - started) / batch


def main():
    path, what, batch, batches = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    fd = os.open(path, os.O_RDWR | os.O_SYNC)
    regs = Registers.from_buffer(mmap.mmap(fd, mmap.PAGESIZE))
    device = memoryview(mmap.mmap(fd, mmap.PAGESIZE)).cast("I")
    if what == "trace":
        TracedAxiProxy(regs, device).read(0x10000)
        return
    proxy = AxiProxy(regs, device)
    print(statistics.median(batch_ns(proxy, batch) for _ in range(batches)))


main()
