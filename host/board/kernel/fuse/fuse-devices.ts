import {
  decodeFallocate,
  decodeHandle,
  decodePoll,
  decodeRead,
  decodeWrite,
  encodeError,
  encodeOpenDevice,
  encodePoll,
  encodeReply,
  encodeWakeUp,
  encodeWritten,
  type FuseRequest,
  OPCODE,
} from "./fuse-protocol";
import { type DeviceNode, KernelError, type OpenDevice } from "../kernel-tree";

/** Of a device that always has something, and room for more. */
const ALWAYS_READY = 0x145;
const DONE = Buffer.alloc(0);

interface OpenFile {
  readonly node: DeviceNode;
  /** `undefined`: the kernel reads and writes by itself. */
  readonly device: OpenDevice | undefined;
  /** Who polls it and is to be woken. */
  readonly polls: Set<bigint>;
}

/** The device files that programs have open, and those programs that wait for something to happen. */
export class FuseDevices {
  readonly #send: (message: Buffer) => void;
  readonly #files = new Map<number, OpenFile>();
  /** By the number of the request. */
  readonly #readers = new Map<bigint, { readonly handle: number; readonly lengthBytes: number }>();
  #polled = 0;

  /** @param send sends a message to the kernel */
  constructor(send: (message: Buffer) => void) {
    this.#send = send;
  }

  has(handle: number): boolean {
    return this.#files.has(handle);
  }

  /** The answer to whoever opens a device. */
  open(node: DeviceNode, handle: number, pid: number): Buffer {
    this.#files.set(handle, { node, device: node.operations.open?.(), polls: new Set() });
    node.users++;
    node.operations.onOpen(pid);
    return encodeOpenDevice(handle, node);
  }

  /** Answers a request for an open file; `undefined`: it is answered later. Throws {@link KernelError}. */
  answer({ opcode, unique, body }: FuseRequest): Buffer | undefined {
    const handle = decodeHandle(body);
    const file = this.#file(handle);
    switch (opcode) {
      case OPCODE.read:
        return this.#read(unique, body);
      case OPCODE.write:
        if (!file.device) throw new KernelError("EIO");
        return encodeWritten(file.device.write(decodeWrite(body).data));
      case OPCODE.poll:
        return this.#poll(file, decodePoll(body).wake);
      case OPCODE.fallocate:
        allocate(file.node, body);
        return DONE;
      case OPCODE.release:
        this.#release(handle, file);
        return DONE;
      default:
        return DONE;
    }
  }

  /** Ends a wait early. */
  interrupt(unique: bigint): void {
    if (this.#readers.delete(unique)) this.#send(encodeError(unique, "EINTR"));
  }

  /** Answers those who have waited for what is there now. */
  wake(): void {
    for (const [unique, { handle, lengthBytes }] of this.#readers) {
      const reply = this.#replyNow(unique, handle, lengthBytes);
      if (!reply) continue;
      this.#readers.delete(unique);
      this.#send(reply);
    }
    if (this.#polled === 0) return;
    for (const { device, polls } of this.#files.values()) {
      if (polls.size === 0 || device?.poll() === 0) continue;
      for (const poll of polls) this.#send(encodeWakeUp(poll));
      this.#polled -= polls.size;
      polls.clear();
    }
  }

  #file(handle: number): OpenFile {
    const file = this.#files.get(handle);
    if (!file) throw new KernelError("EBADF");
    return file;
  }

  #read(unique: bigint, body: Buffer): Buffer | undefined {
    const { handle, lengthBytes, nonBlocking } = decodeRead(body);
    const { device } = this.#file(handle);
    if (!device) throw new KernelError("EIO");
    const data = device.read(lengthBytes);
    if (data) return data;
    if (nonBlocking) throw new KernelError("EAGAIN");
    this.#readers.set(unique, { handle, lengthBytes });
    return undefined;
  }

  #replyNow(unique: bigint, handle: number, lengthBytes: number): Buffer | undefined {
    try {
      const data = this.#file(handle).device?.read(lengthBytes);
      return data && encodeReply(unique, data);
    } catch (error) {
      if (error instanceof KernelError) return encodeError(unique, error.code);
      throw error;
    }
  }

  #poll({ device, polls }: OpenFile, wake: bigint | undefined): Buffer {
    const events = device?.poll() ?? ALWAYS_READY;
    if (events === 0 && wake !== undefined && !polls.has(wake)) {
      polls.add(wake);
      this.#polled++;
    }
    return encodePoll(events);
  }

  #release(handle: number, { node, polls }: OpenFile): void {
    this.#polled -= polls.size;
    this.#files.delete(handle);
    node.users--;
  }
}

/** A device has its size: there is nothing to allocate but what lies in it, and nothing to take away. */
function allocate({ operations }: DeviceNode, body: Buffer): void {
  const { offset, lengthBytes, mode } = decodeFallocate(body);
  if (mode !== 0) throw new KernelError("EOPNOTSUPP");
  if (offset + lengthBytes > operations.lengthBytes) throw new KernelError("EINVAL");
  operations.allocate(offset, lengthBytes);
}
