import type { Code } from "../wasm/assembler";

/** The device's own loads and stores, as code for the gate's module. */
export interface DeviceAccess {
  readonly load32: (address: Code) => Code;
  readonly store32: (address: Code, value: Code) => Code;
  readonly load64: (address: Code) => Code;
  readonly store64: (address: Code, value: Code) => Code;
}
