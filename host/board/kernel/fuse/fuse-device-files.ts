import { allocateFile, closeDescriptor, createSealedFile } from "../../../native/libc";
import { closeBacking, openBacking } from "../../../native/fuse";
import type { DeviceFileOptions, DeviceMemory, KnownDeviceFiles } from "../devices/device-files";
import { BoardInterrupt } from "../../fabric/interrupt";
import { Attribute, DeviceNode, Directory, type DirectoryHooks, KernelError, Link } from "../kernel-tree";
import { OpenUio } from "../open-uio";
import { wholePages } from "../plain/plain-device-files";

/** A file system for devices. */
export interface DeviceMount {
  readonly fd: number;
  /** What the kernel calls it: see `deviceNumberOf`. */
  readonly deviceNumber: string;
}

/**
 * Device files as a file system shows them: programs map memory of a size that nobody can change, and what they read and
 * write the board answers, as the kernel's drivers do.
 */
export class FuseDeviceFiles implements KnownDeviceFiles {
  /** For the server. Programs may put files, links and directories beside the devices, to mount others on them. */
  readonly root = placesDirectory();
  readonly fd = -1;
  readonly #mount: DeviceMount;
  readonly #made = new Map<string, { readonly node: DeviceNode; readonly memoryFd: number }>();
  readonly #keys = new Set<string>();
  readonly #names = new Set<string>();
  /** Those that were removed, and that somebody still has. */
  readonly #removed = new Set<DeviceNode>();
  #opened = 0;
  #openers = new Set<number>();
  #onControl = () => {};

  constructor(mount: DeviceMount) {
    this.#mount = mount;
  }

  /** From now on calls this when a program has enabled or disabled an interrupt, before the program goes on. */
  onControl(listener: () => void): void {
    this.#onControl = listener;
  }

  add(name: string, { lengthBytes, uio }: DeviceFileOptions): DeviceMemory {
    const sizeBytes = wholePages(lengthBytes);
    const fd = createSealedFile(name, sizeBytes);
    if (uio && sizeBytes > 0) allocateFile(fd, 0, sizeBytes);
    const interrupt = uio?.hasInterrupt ? new BoardInterrupt() : undefined;
    const node: DeviceNode = new DeviceNode({
      lengthBytes: sizeBytes,
      backing: openBacking(this.#mount.fd, fd),
      allocate: (offset, bytes) => allocateFile(fd, offset, bytes),
      onOpen: (pid) => {
        this.#opened++;
        this.#openers.add(pid);
      },
      ...(uio && {
        open: () =>
          new OpenUio({
            interrupt,
            isRemoved: () => node.removed,
            control: (on) => {
              interrupt?.control(on);
              this.#onControl();
            },
          }),
      }),
    });
    this.root.add(name, node);
    this.#made.set(name, { node, memoryFd: fd });
    // Its number is never used again, so that its key is nobody else's.
    this.#keys.add(`${this.#mount.deviceNumber}:${node.number}`);
    this.#names.add(name);
    return { fd, close: () => {}, ...(interrupt && { interrupt }) };
  }

  remove(name: string): void {
    const made = this.#made.get(name);
    if (!made) return;
    this.#made.delete(name);
    this.root.remove(name);
    this.#removed.add(made.node);
    closeBacking(this.#mount.fd, made.node.operations.backing);
    closeDescriptor(made.memoryFd);
  }

  get keys(): ReadonlySet<string> {
    return this.#keys;
  }

  mayBe(path: string): boolean {
    return this.#names.has(path.slice(path.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, ""));
  }

  get opened(): number {
    return this.#opened;
  }

  takeOpeners(): number[] {
    const openers = [...this.#openers];
    this.#openers = new Set();
    return openers;
  }

  get inUse(): boolean {
    for (const node of this.#removed) if (node.users === 0) this.#removed.delete(node);
    if (this.#removed.size > 0) return true;
    for (const { node } of this.#made.values()) if (node.users > 0) return true;
    return false;
  }

  close(): void {
    for (const { memoryFd } of this.#made.values()) closeDescriptor(memoryFd);
  }
}

/** Files there are empty, and stay so: they are places to mount something on. */
function placesDirectory(): Directory {
  const refuse = (): never => {
    throw new KernelError("EACCES");
  };
  const hooks: DirectoryHooks = {
    make: () => new Directory({}, hooks),
    remove: () => {},
    makeFile: () => new Attribute({ show: () => "", store: refuse, lengthBytes: 0, isPlace: true }),
    makeLink: (target) => new Link(target),
  };
  return new Directory({}, hooks);
}
