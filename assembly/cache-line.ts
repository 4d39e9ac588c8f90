/** Bytes in a cache line of the Cortex-A53 and in a burst of the AXI Proxy. */
export const CACHE_LINE_BYTES: usize = 64;
