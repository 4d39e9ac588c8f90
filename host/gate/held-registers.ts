import { type FunctionSketch, get, giveBack, i32, set, when } from "../wasm/assembler";
import type { DeviceAccess } from "./device-access";
import { type IdleFunctions, look } from "./idle-check";
import { ATTRIBUTE, ATTRIBUTES_OFFSET, HELD_DISTANCE, PROGRAM } from "./layout";
import { channelsAt, forEachChannel, word } from "./program-code";

/**
 * `readHeld(program, address) -> i32`: what is held back as it was written, until it was given to the device and its
 * channels look idle; then as the device has it.
 */
export function readHeld(device: DeviceAccess, functions: IdleFunctions): FunctionSketch {
  const [program, address, channels, channel, bit, entry, found, holds] = [0, 1, 2, 3, 4, 5, 6, 7];
  const attributes = i32.load8U(i32.shrU(get(address), i32.const(2)), ATTRIBUTES_OFFSET);
  const shadow = i32.load(get(address), HELD_DISTANCE);
  return {
    parameters: ["i32", "i32"],
    results: ["i32"],
    locals: ["i32", "i32", "i32", "i32", "i32", "i32"],
    body: [
      ...when(i32.and(attributes, i32.const(ATTRIBUTE.dirty)), giveBack(shadow)),
      ...set(channels, i32.and(word(program, PROGRAM.active), channelsAt(get(address)))),
      ...forEachChannel({ program, channels, channel, bit }, [
        look(device, functions, { program, channel, bit, entry, found, holds }),
        when(i32.eqz(get(holds)), giveBack(shadow)),
      ]),
      // A start that comes next is checked with this, and gives it.
      ...i32.store(get(address), device.load32(get(address)), HELD_DISTANCE),
      ...shadow,
    ],
  };
}
