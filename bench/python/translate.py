"""The baseline of bench/translation.ts: one read of 8 bytes a page, as in the notebook.

translate.py PID ADDRESS PAGES prints the nanoseconds that a page took.
"""

import mmap
import os
import struct
import sys
import time


class VirtualToPhysical:
    def __init__(self, pid):
        self.fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)

    def get_paddr(self, vaddr):
        vpn = vaddr // mmap.PAGESIZE
        bs = os.pread(self.fd, 8, vpn * 8)
        data = struct.unpack("Q", bs)[0]
        pfn = data & ((1 << 55) - 1)
        return pfn * mmap.PAGESIZE + (vaddr % mmap.PAGESIZE)


def main():
    pid, address, pages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    vtp = VirtualToPhysical(pid)
    addresses = range(address, address + pages * mmap.PAGESIZE, mmap.PAGESIZE)
    started = time.perf_counter_ns()
    physical = [vtp.get_paddr(vaddr) for vaddr in addresses]
    print((time.perf_counter_ns() - started) / len(physical))


main()
