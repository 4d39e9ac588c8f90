/** An address in the process that runs the script. */
export type VirtualAddress = u64;

/** An address on the bus, as a device uses it. */
export type PhysicalAddress = u64;
