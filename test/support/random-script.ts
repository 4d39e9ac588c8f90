import type { PhysicalRange } from "./granted-ranges";
import { firmwareOf } from "./host-instance";

/**
 * What is around random code, in WebAssembly's text format: a script that has opened a device and had memory granted,
 * and which says of every grant where it is. Nothing here is known to the random code, but the actions.
 */

/** Where texts, segments and messages lie; random code may overwrite them between two uses. */
const [TEXTS, MESSAGE, SEGMENTS] = [0xe8000, 0xec000, 0xf0000] as const;
const MOST_SEGMENTS = 4096;
const [PAGES_PTR, PAGES_BYTES, PAGE_PTR] = [0x20000, 0x4000, 0x40000] as const;
const [CONTROL, STATUS, LENGTH, ADDR_LO, ADDR_HI] = [0x14, 0x10, 0x30, 0x40, 0x44] as const;
/** Of every device's, window 0 is the one that the prologue has opened. */
const WINDOW = "(i32.const 0)";
/** How long a script waits for its own transfer. */
const PATIENCE_MS = 1000;

/** Begins a message about a grant. */
const GRANTED = "granted ";
const HEX_DIGITS = 16;

/** What random code may do to the device without ending the script at once, and by how many names it may call it. */
export const ACTIONS = {
  /** Aims at granted memory as a rule, or beside it. */
  aim: {
    names: 5,
    parameters: ["i32", "i32"],
    body: `
      (local $address i64)
      (local.set $address (i64.add (global.get $granted_at) (i64.extend_i32_s (select
        (i32.and (local.get 0) (i32.const -64))
        (i32.and (local.get 0) (i32.const 0xec0))
        (i32.eq (i32.and (local.get 1) (i32.const 0xc0)) (i32.const 0xc0))))))
      (call $write32 ${WINDOW} (i32.const ${ADDR_LO}) (i32.wrap_i64 (local.get $address)))
      (call $write32 ${WINDOW} (i32.const ${ADDR_HI}) (i32.wrap_i64 (i64.shr_u (local.get $address) (i64.const 32))))
      (if (global.get $has_length) (then
        (call $write32 ${WINDOW} (i32.const ${LENGTH}) (i32.add (i32.and (local.get 1) (i32.const 3)) (i32.const 1)))))`,
  },
  /** Starts a transfer, when the one before it is over. */
  start: {
    names: 8,
    parameters: ["i32"],
    body: `
      (drop (call $poll32 ${WINDOW} (i32.const ${CONTROL}) (i32.const 3) (i32.const 0) (i32.const ${PATIENCE_MS})))
      (call $write32 ${WINDOW} (i32.const ${CONTROL}) (i32.const 0x100))
      (drop (call $poll32 ${WINDOW} (i32.const ${STATUS}) (i32.const 0x303) (i32.const 0x300) (i32.const ${PATIENCE_MS})))
      (call $write32 ${WINDOW} (i32.const ${CONTROL}) (select (i32.const 1) (i32.const 2) (i32.and (local.get 0) (i32.const 1))))`,
  },
  /** Writes any of the first registers: what is not allowed ends the script. */
  poke: {
    names: 1,
    parameters: ["i32", "i32"],
    body: `(call $write32 ${WINDOW} (i32.and (local.get 0) (i32.const 0x7c)) (local.get 1))`,
  },
  /** Reads one of the registers that every device here has. */
  peek: {
    names: 4,
    parameters: ["i32"],
    body: `(drop (call $read32 ${WINDOW} (i32.and (local.get 0) (i32.const 0x14))))`,
  },
} as const;

/** In place of the host's functions that grant memory: they do the same, and say what was granted. */
const TELLING = `
  (func $translate (param i32 i32 i32 i32) (result i32)
    (call $tell_segments (call $raw_translate (local.get 0) (local.get 1) (i32.const ${SEGMENTS}) (i32.const ${MOST_SEGMENTS})))
    (call $raw_translate (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func $region_create (param i32 i32 i32 i32 i32) (result i32)
    (local $region i32)
    (local.set $region (call $raw_region_create
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (if (i32.gt_s (local.get $region) (i32.const 0)) (then
      (call $tell_segments (call $region_segments (local.get $region) (i32.const ${SEGMENTS}) (i32.const ${MOST_SEGMENTS})))))
    (local.get $region))
  (func $physical_address (param i64) (result i64)
    (local $address i64)
    (local.set $address (call $raw_physical_address (local.get 0)))
    (if (i64.ge_s (local.get $address) (i64.const 0)) (then
      (call $tell (i64.and (local.get $address) (i64.const -4096)) (i64.const 4096))))
    (local.get $address))
  (func $tell_segments (param $count i32)
    (local $at i32)
    (local.set $at (i32.const ${SEGMENTS}))
    (loop $next (if (i32.gt_s (local.get $count) (i32.const 0)) (then
      (call $tell (i64.load (local.get $at)) (i64.load offset=8 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))))
  (func $tell (param $start i64) (param $length i64)
    (i64.store (i32.const ${MESSAGE}) (i64.const 0x${Buffer.from(GRANTED).reverse().toString("hex")}))
    (call $put_hex (i32.const ${MESSAGE + GRANTED.length}) (local.get $start))
    (call $put_hex (i32.const ${MESSAGE + GRANTED.length + HEX_DIGITS}) (local.get $length))
    (call $note (i32.const ${MESSAGE}) (i32.const ${GRANTED.length + 2 * HEX_DIGITS})))
  (func $put_hex (param $at i32) (param $value i64)
    (local $left i32)
    (local $digit i32)
    (local.set $left (i32.const ${HEX_DIGITS}))
    (loop $next
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (local.set $digit (i32.and (i32.wrap_i64 (local.get $value)) (i32.const 15)))
      (i32.store8
        (i32.add (local.get $at) (local.get $left))
        (i32.add (local.get $digit) (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9)))))
      (local.set $value (i64.shr_u (local.get $value) (i64.const 4)))
      (br_if $next (local.get $left))))`;

/** Host functions of which {@link TELLING} has another one; the host's own gets a name with `raw_` before it. */
export const TOLD = ["translate", "region_create", "physical_address"] as const;

/** What a script needs of a board. */
export interface Place {
  readonly design: "axi_proxy" | "axi_traffic_gen";
  readonly port: "hp" | "hpc" | "acp";
}

/**
 * Everything that a script has besides random code and imports: its entry opens a device, has memory granted, and then
 * does `steps`, which have a local `$at`.
 */
export function scriptAround({ design, port }: Place, steps: string): string {
  const isProxy = design === "axi_proxy";
  const { texts, starts } = textsOf({ design, port });
  const [bitstream, overlay] = texts.map((text, index) => `(i32.const ${starts[index]}) (i32.const ${text.length})`);
  return `
  (global $granted_at (mut i64) (i64.const 0))
  (global $has_length i32 (i32.const ${isProxy ? 0 : 1}))
  (data (i32.const ${TEXTS}) "${texts.join("")}")
  ${TELLING}
  (func (export "_start")
    (local $at i32)
    (if (i32.ne (call $is_programmed) (i32.const 1)) (then (drop (call $program ${bitstream} ${overlay}))))
    ${opening({ design, port }, port)}
    (memory.fill (i32.const ${PAGES_PTR}) (i32.const 0xa5) (i32.const ${PAGES_BYTES}))
    (drop (call $region_create
      (i32.const ${PAGES_PTR}) (i32.const ${PAGES_BYTES}) (i32.const 0) (i32.const 1) (i32.const 0)))
    (i32.store (i32.const ${PAGE_PTR}) (i32.const 1))
    (global.set $granted_at (call $physical_address (call $virtual_address (i32.const ${PAGE_PTR}))))
    (call $aim_0 (i32.const 0) (i32.const 0))
    ${steps})`;
}

/** Opens a device of the same design; its port's name is one with which that of the script's own port begins. */
export function opening(place: Place, port: Place["port"]): string {
  const { texts, starts } = textsOf(place);
  const [, , name = ""] = texts;
  return `(drop (call $open
    (i32.const ${starts[2]}) (i32.const ${name.length}) (i32.const ${starts[3]}) (i32.const ${port.length})))`;
}

/** Firmware files, name and port, and where they lie. */
function textsOf({ design, port }: Place): { readonly texts: readonly string[]; readonly starts: readonly number[] } {
  const texts = [...firmwareOf(design), design === "axi_proxy" ? "AxiProxy" : "AxiTrafficGen", port];
  return { texts, starts: texts.map((_, index) => TEXTS + texts.slice(0, index).join("").length) };
}

/** Reads one line of granted memory with the device. */
export const ONE_TRANSFER = "(call $start_0 (i32.const 0))";

/** Has its whole memory granted, waits for a byte on stdin, and traps if a byte of the memory has changed. */
export const BYSTANDER = `
  (memory.fill (i32.const 65536) (i32.const 0xa5) (i32.const ${TEXTS - 65536}))
  (drop (call $translate (i32.const 65536) (i32.const ${TEXTS - 65536}) (i32.const 0) (i32.const 0)))
  (i32.store (i32.const 0) (i32.const 64))
  (i32.store (i32.const 4) (i32.const 1))
  (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
  (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
  (local.set $at (i32.const 65536))
  (loop $next
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0xa5a5a5a5a5a5a5a5)) (then (unreachable)))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const ${TEXTS}))))`;

/** The grant that a message tells of, if it is one. */
export function grantOf(message: string): PhysicalRange | undefined {
  const [, start, length] = /^granted ([0-9a-f]{16})([0-9a-f]{16})$/.exec(message) ?? [];
  if (start === undefined || length === undefined) return undefined;
  return { start: Number(`0x${start}`), end: Number(`0x${start}`) + Number(`0x${length}`) };
}
