import { Attribute, Directory, KernelError, type Work } from "../kernel-tree";
import {
  ATTRIBUTES,
  type BoardUDmaBuf,
  commandIn,
  LENGTH_BYTES,
  numberIn,
  shownAddress,
  shownCoherence,
} from "./u-dma-buf";

const MAX_SYNC_MODE = 7;
const MAX_SYNC_DIRECTION = 2;

/**
 * The attributes of the u-dma-buf device. To synchronise a coherent buffer changes its owner, and no byte.
 * Source: ikwzm/udmabuf, `u-dma-buf.c`.
 */
export function uDmaBufAttributes(buffer: BoardUDmaBuf): Directory {
  const settings = { sync_mode: 0, sync_offset: 0, sync_size: LENGTH_BYTES, sync_direction: 0 };
  let owner: number = Number(ATTRIBUTES.sync_owner);
  const setting = (name: keyof typeof settings, max: number, base = 10) =>
    new Attribute({
      show: () => `${base === 16 ? "0x" : ""}${settings[name].toString(base)}\n`,
      store: (data) => {
        settings[name] = Number(wordIn(data, BigInt(max)));
        buffer.syncMode = settings.sync_mode;
        return undefined;
      },
    });
  const synchronisation = (side: "cpu" | "device") =>
    new Attribute({
      show: () => "0\n",
      store: (data): Work | undefined => {
        const word = wordIn(data);
        if (word === 0n) return undefined;
        const { sync_offset: offset, sync_size: lengthBytes, sync_direction: direction } = settings;
        const command = commandIn(word, { offset, lengthBytes, direction }, buffer.lengthBytes);
        buffer.synchronise({ side, ...command });
        owner = side === "cpu" ? 0 : 1;
        return undefined;
      },
    });
  return new Directory({
    phys_addr: Attribute.of(`${shownAddress(buffer.physicalAddress)}\n`),
    size: Attribute.of(`${ATTRIBUTES.size}\n`),
    dma_coherent: Attribute.of(`${shownCoherence(buffer.coherent)}\n`),
    sync_mode: setting("sync_mode", MAX_SYNC_MODE),
    sync_offset: setting("sync_offset", LENGTH_BYTES, 16),
    sync_size: setting("sync_size", LENGTH_BYTES),
    sync_direction: setting("sync_direction", MAX_SYNC_DIRECTION),
    sync_owner: new Attribute({ show: () => `${owner}\n` }),
    sync_for_cpu: synchronisation("cpu"),
    sync_for_device: synchronisation("device"),
  });
}

function wordIn(data: Buffer, max = 2n ** 64n - 1n): bigint {
  const text = data.toString("latin1");
  const value = numberIn(text);
  if (value !== undefined && value <= max) return value;
  throw new KernelError("EINVAL", `"${text.trim()}" is no number up to ${max}`);
}
