import { block, branch, branchIf, type Code, get, i32, loop, set, when } from "../wasm/assembler";
import { CHANNEL_ENTRY, CHANNELS_OFFSET, PROGRAM, TRANSFER_ENTRY } from "./layout";

/** The channels that depend on a register, or that it shows. */
export function channelsAt(address: Code): Code {
  return i32.load8U(i32.shrU(address, i32.const(2)), CHANNELS_OFFSET);
}

/** A word of a program, which is a local. */
export function word(program: number, offset: number): Code {
  return i32.load(get(program), offset);
}

/** Changes a word of a program. */
export function setBits(program: number, offset: number, bits: Code): Code {
  return i32.store(get(program), i32.or(word(program, offset), bits), offset);
}

export function clearBits(program: number, offset: number, bits: Code): Code {
  return i32.store(get(program), i32.and(word(program, offset), i32.xor(bits, i32.const(-1))), offset);
}

/** For each transfer of a program: `body`, with the transfer's entry in a local. */
export function forEachTransfer(program: number, entry: number, ...body: Code[]): Code[] {
  return [
    set(entry, i32.add(get(program), i32.const(PROGRAM.transfers.offset))),
    block(
      loop(
        branchIf(1, i32.geU(get(entry), word(program, PROGRAM.transfersEnd))),
        ...body,
        set(entry, i32.add(get(entry), i32.const(TRANSFER_ENTRY.bytes))),
        branch(0),
      ),
    ),
  ];
}

/** For each of the channels in a local, which has none left then: `body`, with the channel's entry and bit in locals. */
export function forEachChannel(
  at: { program: number; channels: number; channel: number; bit: number },
  body: readonly Code[],
): Code[] {
  const { program, channels, channel, bit } = at;
  return [
    set(channel, i32.add(get(program), i32.const(PROGRAM.channels.offset))),
    set(bit, i32.const(1)),
    block(
      loop(
        branchIf(1, i32.eqz(get(channels))),
        when(i32.and(get(channels), get(bit)), ...body, set(channels, i32.xor(get(channels), get(bit)))),
        set(bit, i32.shl(get(bit), i32.const(1))),
        set(channel, i32.add(get(channel), i32.const(CHANNEL_ENTRY.bytes))),
        branch(0),
      ),
    ),
  ];
}
