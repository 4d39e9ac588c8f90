import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Packages that depend on the newest kernel of a series, by what they are wanted for; the first that apt knows is used. */
const METAPACKAGES = {
  /** The release's own. */
  stock: ["linux-image-amd64"],
  /** Linux 6.12: the only one of Debian 13, the later one of Debian 12. */
  later: ["linux-image-6.12-amd64", "linux-image-amd64"],
} as const;
export type KernelSeries = keyof typeof METAPACKAGES;
const DRIVERS = "kernel/drivers/uio";
/** Where apt keeps what it knows. */
const LISTS = "/var/lib/apt/lists";
/** What decompresses a kernel, by how what is compressed begins. */
const DECOMPRESSORS = [
  { begin: Buffer.from("\xfd7zXZ\0", "latin1"), command: "xz" },
  { begin: Buffer.from("\x28\xb5\x2f\xfd", "latin1"), command: "zstd" },
] as const;

/** What is used of a kernel's package. */
export interface Kernel {
  /** What `uname -r` says. */
  readonly release: string;
  /** Path of what QEMU boots. */
  readonly image: string;
  /** The bytes of a module of {@link DRIVERS}, by its name. */
  readonly module: (name: string) => Uint8Array;
}

/**
 * Debian's stock kernel: its package is downloaded, and the little that is needed of it unpacked, into the cache, by the
 * digest that the package index gives. Nothing is installed.
 *
 * @throws Error with what is missing
 */
export function stockKernel(series: KernelSeries = "stock"): Kernel {
  const { name, digest } = packageOf(series);
  const directory = join(cacheDirectory(), digest);
  if (!existsSync(directory)) unpack(name, digest);
  return read(directory);
}

/** What apt knows of a package, as of the time at which its lists were changed last. */
interface KnownPackage {
  readonly name: string;
  readonly digest: string;
  readonly listedAt: number;
}

/** The package of a series. Apt takes more than a second to say, so that its answer is kept for as long as its lists are. */
function packageOf(series: KernelSeries): KnownPackage {
  const listedAt = statSync(LISTS, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const path = join(cacheDirectory(), `${series}.json`);
  try {
    const known = JSON.parse(readFileSync(path, "utf8")) as KnownPackage;
    if (known.listedAt === listedAt) return known;
  } catch {
    // Not asked yet, or another process is writing it down.
  }
  const answer = { ...askApt(series), listedAt };
  mkdirSync(cacheDirectory(), { recursive: true });
  writeFileSync(path, JSON.stringify(answer));
  return answer;
}

function askApt(series: KernelSeries): Omit<KnownPackage, "listedAt"> {
  const metapackages = METAPACKAGES[series];
  const depends = output("apt-cache", "depends", ...metapackages);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`apt knows no ${metapackages.join(", ")}: apt-get update`);
  const digest = /SHA256:([0-9a-f]{64})/.exec(output("apt-get", "download", "--print-uris", name))?.[1];
  if (digest === undefined) throw new Error(`apt says no digest of ${name}: apt-get update`);
  return { name, digest };
}

function read(directory: string): Kernel {
  const [image] = readdirSync(join(directory, "boot"));
  const [release] = readdirSync(join(directory, "lib/modules"));
  if (image === undefined || release === undefined) throw new Error(`${directory} holds no kernel: remove it`);
  return {
    release,
    image: decompressed(join(directory, "boot", image)),
    module: (name) => {
      const path = join(directory, "lib/modules", release, DRIVERS, `${name}.ko`);
      if (existsSync(path)) return readFileSync(path);
      // Newer releases compress their modules.
      const { status, stdout } = spawnSync("xz", ["--decompress", "--stdout", `${path}.xz`]);
      if (status !== 0) throw new Error(`cannot decompress ${path}.xz: apt-get install xz-utils`);
      return stdout;
    },
  };
}

/**
 * A kernel without what decompresses it, which takes an emulator three seconds; as it is, where its compression or a
 * program for it is not known. Kept in the cache.
 * Source: kernel `Documentation/arch/x86/boot.rst`, setup_sects, payload_offset and payload_length.
 */
function decompressed(image: string): string {
  const path = join(image, "../../vmlinux");
  if (existsSync(path)) return path;
  const bytes = readFileSync(image);
  const start = ((bytes[0x1f1] ?? 0) + 1) * 512 + bytes.readUInt32LE(0x248);
  // Its last word is the size of what comes out.
  const payload = bytes.subarray(start, start + bytes.readUInt32LE(0x24c) - 4);
  const found = DECOMPRESSORS.find(({ begin }) => payload.subarray(0, begin.length).equals(begin));
  if (!found) return image;
  // As in unpack: a draft first, and one process at a time.
  const script = `[ -e "$0" ] || { ${found.command} --decompress --stdout > "$0.draft" && mv "$0.draft" "$0"; }`;
  const { status } = spawnSync("flock", [join(cacheDirectory(), "lock"), "sh", "-ec", script, path], {
    input: payload,
  });
  if (status !== 0) return image;
  return path;
}

/** A draft first: what is in the cache is whole. One process at a time: guests of several files are booted at once. */
function unpack(packageName: string, digest: string): void {
  mkdirSync(cacheDirectory(), { recursive: true });
  const script = `
    cd "$0"
    [ ! -e ${digest} ] || exit 0
    rm -rf draft
    mkdir draft
    cd draft
    apt-get download -qq ${packageName}
    dpkg-deb --fsys-tarfile *.deb | tar --extract --wildcards './boot/vmlinuz-*' './lib/modules/*/${DRIVERS}'
    rm *.deb
    mv ../draft ../${digest}`;
  output("flock", join(cacheDirectory(), "lock"), "sh", "-ec", script, cacheDirectory());
}

/** Beside the cache of scripts, which removes what it does not know. */
function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "axiscript-kernel");
}

/** What a command prints. */
function output(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
}
