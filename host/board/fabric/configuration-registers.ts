/**
 * The configuration registers of a Zynq MPSoC's FPGA, by number. Source: Xilinx UG570, table 9-24, and the kernel's
 * `drivers/fpga/zynqmp-fpga.c`, which shows these.
 */
const REGISTERS = {
  ...{ CRC: 0, FAR: 1, FDRI: 2, FDRO: 3, CMD: 4, CTRL0: 5, MASK: 6, STAT: 7, LOUT: 8, COR0: 9, MFWR: 10, CBC: 11 },
  ...{ IDCODE: 12, AXSS: 13, COR1: 14, WBSTR: 16, TIMER: 17, BOOTSTS: 22, CTRL1: 24 },
} as const;
type Register = keyof typeof REGISTERS;

/** XCZU3EG */
const IDCODE = 0x04710093;
/** End of start-up, outputs and writes enabled, INIT and DONE high: bits 4 to 7 and 11 to 14. */
const STATUS = 0x78f0;

/** What the kernel's `image` reads as by default, of an FPGA that operates. What the board does not have reads 0. */
export function configurationRegisters(): string {
  const shown: Partial<Record<Register, number>> = { IDCODE, STAT: STATUS };
  const names = Object.keys(REGISTERS) as Register[];
  const lines = names.map((name) => `${name} --> \t ${(shown[name] ?? 0).toString(16)} \t\r\n`);
  return `zynqMP FPGA Configuration register contents are\n${lines.join("")}`;
}
