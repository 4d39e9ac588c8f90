import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomNumbers } from "../../../../host/board/fabric/port-timing";
import { AxiscriptError } from "../../../../host/index";
import { ABI_TABLE } from "../../../../host/runtime/abi/abi";
import { MAX_OPEN_FILES } from "../../../../host/runtime/wasi/files/sandbox";
import type { PermissionOptions } from "../../../../host/runtime/permissions/permission";
import { rejectsWith } from "../../../support/expect";
import { treeOf } from "../../../support/machine";
import { testWhere } from "../../../support/rights";
import { temporaryDirectory } from "../../../support/temporary";
import { E, Guest, O, RIGHTS } from "../../../support/wasi-guest";

const test = suite("WASI files");

const SECRET = "not for the script";

/** A directory that is granted, with a secret beside it. */
function tree(): { root: string; data: string } {
  const root = realpathSync(treeOf({ "data/in.txt": "hello", "data/sub/deep/x": "deep", "secret/key": SECRET }));
  return { root, data: join(root, "data") };
}

function using<T>(options: PermissionOptions, body: (guest: Guest) => T, audit?: string): T {
  const guest = new Guest(options, audit);
  try {
    return body(guest);
  } finally {
    guest.wasi.close();
  }
}

const reads = (...directories: string[]): PermissionOptions => ({ allow: { read: directories } });
const changes = (...directories: string[]): PermissionOptions => ({ allow: { read: directories, write: directories } });

/** Files of this process below a directory. */
function openBelow(directory: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      return [];
    }
  });
}

test("without grants nothing is different: every function answers EBADF or ENOSYS", () => {
  using({}, (guest) => {
    assert.is(guest.directories.size, 0);
    for (const fd of [3, 4, -1]) {
      assert.is(guest.open(fd, "in.txt").errno, E.badf);
      assert.is(guest.call("fd_close", fd), E.badf);
      assert.is(guest.call("fd_read", fd, 0, 0, 0), E.badf);
      assert.is(guest.call("fd_seek", fd, 0n, 0, 0), E.badf);
      assert.is(guest.stat(fd, "in.txt"), E.nosys);
      assert.is(guest.onPath("path_unlink_file", fd, "in.txt"), E.nosys);
    }
  });
});

test("files are read, written, described, listed, renamed and removed", () => {
  const { data } = tree();
  using(changes(data), (guest) => {
    const directory = guest.directory(data);
    const { fd } = guest.open(directory, "in.txt", { rights: RIGHTS.both });
    assert.is(guest.read(fd), "hello");
    assert.is(guest.read(fd), "");
    assert.is(guest.call("fd_seek", fd, -4n, 2, 0), E.success);
    assert.is(guest.number(0), 1);
    assert.is(guest.read(fd, 2), "el");
    assert.is(guest.call("fd_tell", fd, 0), E.success);
    assert.is(guest.number(0), 3);
    assert.is(guest.write(fd, "p!"), E.success);
    assert.is(guest.call("fd_filestat_set_size", fd, 4n), E.success);
    assert.is(guest.call("fd_filestat_get", fd, 0), E.success);
    assert.is(guest.number(32), 4);
    assert.is(guest.call("fd_sync", fd), E.success);
    assert.is(guest.call("fd_close", fd), E.success);
    assert.is(guest.call("fd_close", fd), E.badf);
    assert.is(readFileSync(join(data, "in.txt"), "utf8"), "help");

    const made = guest.open(directory, "sub/new", { rights: RIGHTS.write, open: O.create | O.exclusive });
    assert.is(guest.write(made.fd, "abc"), E.success);
    assert.is(guest.read(made.fd), E.badf);
    assert.is(guest.open(directory, "sub/new", { rights: RIGHTS.write, open: O.create | O.exclusive }).errno, E.exist);
    const appending = guest.open(directory, "sub/new", { rights: RIGHTS.write, flags: 1 });
    assert.is(guest.write(appending.fd, "def"), E.success);
    assert.is(readFileSync(join(data, "sub/new"), "utf8"), "abcdef");
    guest.open(directory, "sub/new", { rights: RIGHTS.write, open: O.create | O.truncate });
    assert.is(readFileSync(join(data, "sub/new"), "utf8"), "");

    assert.is(guest.onPath("path_create_directory", directory, "sub/d/"), E.success);
    assert.is(guest.rename(directory, "sub/new", directory, "sub/d/moved"), E.success);
    assert.is(guest.onPath("path_remove_directory", directory, "sub/d"), E.notempty);
    assert.is(guest.stat(directory, "sub/d/moved"), E.success);
    assert.is(guest.onPath("path_unlink_file", directory, "sub/d/moved"), E.success);
    assert.is(guest.stat(directory, "sub/d/moved"), E.noent);
    assert.is(guest.onPath("path_remove_directory", directory, "sub/d"), E.success);
    const sub = guest.open(directory, "sub", { open: O.directory });
    assert.equal(guest.list(sub.fd).sort(), [".", "..", "deep"]);
    assert.is(guest.open(sub.fd, "deep/x").errno, E.success);
  });
});

test("a directory of any size is listed with a buffer of any size", () => {
  const { data } = tree();
  const names = Array.from({ length: 700 }, (_, index) => `file-${index}${"é".repeat(index % 50)}`);
  for (const name of names) writeFileSync(join(data, "sub", name), "");
  using(reads(data), (guest) => {
    const { fd } = guest.open(guest.directory(data), "sub", { open: O.directory });
    for (const bufferBytes of [140, 1000, 60_000]) {
      assert.equal(guest.list(fd, bufferBytes).sort(), [...names, ".", "..", "deep"].sort());
    }
  });
});

test("reads and writes at an offset leave the position alone, and several vectors go one after another", () => {
  const { data } = tree();
  using(changes(data), (guest) => {
    const { fd } = guest.open(guest.directory(data), "in.txt", { rights: RIGHTS.both });
    const vectors = Buffer.alloc(24);
    [2000, 2, 2100, 0, 2200, 9].forEach((value, index) => vectors.writeUInt32LE(value, index * 4));
    guest.put(64, vectors);
    assert.is(guest.call("fd_pread", fd, 64, 3, 1n, 0), E.success);
    assert.is(guest.number(0), 4);
    assert.is(guest.memory.text(2000, 2) + guest.memory.text(2200, 2), "ello");
    assert.is(guest.call("fd_pwrite", fd, 64, 1, 4n, 0), E.success);
    assert.is(guest.read(fd), "hellel");
    assert.is(guest.call("fd_pread", fd, 64, 1, -1n, 0), E.inval);
  });
});

test("nothing leads out of a granted directory", () => {
  const { root, data } = tree();
  symlinkSync("../secret/key", join(data, "up"));
  symlinkSync(join(root, "secret/key"), join(data, "absolute"));
  symlinkSync(join(root, "secret"), join(data, "sub/out"));
  symlinkSync("sub/../..", join(data, "parent"));
  symlinkSync("sub/deep/../../in.txt", join(data, "inside"));
  symlinkSync("loop", join(data, "loop"));
  symlinkSync(`/proc/${process.pid}/root${root}/secret`, join(data, "magic"));
  const outside = [
    ["../secret/key", E.xdev],
    ["..", E.xdev],
    ["sub/../../secret/key", E.xdev],
    [`${root}/secret/key`, E.xdev],
    ["/", E.xdev],
    ["up", E.xdev],
    ["absolute", E.xdev],
    ["sub/out/key", E.xdev],
    ["parent/secret/key", E.xdev],
    ["magic/key", E.xdev],
    ["loop", E.loop],
  ] as const;
  using(changes(data), (guest) => {
    const directory = guest.directory(data);
    assert.is(guest.read(guest.open(directory, "inside").fd), "hello");
    assert.is(guest.open(directory, "inside", { follow: false }).errno, E.loop);
    for (const [path, errno] of outside) {
      for (const rights of [RIGHTS.none, RIGHTS.read, RIGHTS.write, RIGHTS.both]) {
        for (const open of [0, O.create, O.truncate, O.directory]) {
          const opened = guest.open(directory, path, { rights, open });
          assert.ok([errno, E.notdir, E.isdir].includes(opened.errno as never), `${path}: ${opened.errno}`);
        }
      }
      assert.is(guest.stat(directory, path), errno);
    }
    for (const place of ["../new", "sub/../../new", `${root}/new`, "parent/new", "sub/out/new"]) {
      assert.is(guest.open(directory, place, { rights: RIGHTS.write, open: O.create }).errno, E.xdev);
      assert.is(guest.onPath("path_create_directory", directory, place), E.xdev);
      assert.is(guest.rename(directory, "in.txt", directory, place), E.xdev);
    }
    for (const [path] of outside.slice(0, 5)) {
      for (const name of ["path_unlink_file", "path_remove_directory"]) {
        const errno = guest.onPath(name, directory, path);
        assert.ok([E.xdev, E.inval, E.notdir].includes(errno as never), `${name} ${path}: ${errno}`);
      }
      assert.not(guest.rename(directory, path, directory, "stolen") === E.success);
    }
    // Of links the names themselves are in the directory.
    assert.is(guest.onPath("path_unlink_file", directory, "up"), E.success);
    for (const name of ["", ".", "sub/.", "sub/.."]) {
      assert.not(guest.onPath("path_remove_directory", directory, name) === E.success);
    }
  });
  assert.equal(readdirSync(root).sort(), ["data", "secret"]);
  assert.is(readFileSync(join(root, "secret/key"), "utf8"), SECRET);
  assert.ok(existsSync(join(data, "in.txt")));
});

/** Runs a body while a thread makes a name lead to one target and another in turn. */
async function whileSwapping(name: string, targets: readonly string[], body: () => void): Promise<void> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  symlinkSync(targets[0] ?? "", name);
  const worker = new Worker(join(__dirname, "swapper.js"), { workerData: { name, targets, stop } });
  try {
    await new Promise((resolve) => worker.once("online", resolve));
    body();
  } finally {
    Atomics.store(stop, 0, 1);
    await new Promise((resolve) => worker.once("exit", resolve));
  }
}

const DEADLINE_MS = 120_000;
const ENOUGH = 200;

test("a link that somebody turns round at any moment never leads out, nor to what is denied", async () => {
  const { root, data } = tree();
  mkdirSync(join(data, "open"));
  mkdirSync(join(data, "denied"));
  writeFileSync(join(data, "open/key"), "open");
  writeFileSync(join(data, "denied/key"), SECRET);
  const rules = { ...changes(data), deny: { read: [join(data, "denied")], write: [join(data, "denied")] } };
  for (const elsewhere of [join(root, "secret"), "../secret", "denied"]) {
    const name = join(data, `turning-${elsewhere.replaceAll("/", "-")}`);
    await whileSwapping(name, ["open", elsewhere], () => {
      using(rules, (guest) => {
        const directory = guest.directory(data);
        const deadline = performance.now() + DEADLINE_MS;
        const path = `${relative(data, name)}/key`;
        let good = 0;
        let refused = 0;
        while ((good < ENOUGH || refused < ENOUGH) && performance.now() < deadline) {
          const { errno, fd } = guest.open(directory, path, { rights: RIGHTS.both });
          if (errno === E.success) {
            good++;
            assert.is(guest.read(fd), "open");
            guest.call("fd_close", fd);
          } else {
            refused++;
            assert.ok([E.xdev, E.perm].includes(errno as never), String(errno));
          }
          const made = guest.open(directory, `${relative(data, name)}/new`, { rights: RIGHTS.write, open: O.create });
          if (made.errno === E.success) guest.call("fd_close", made.fd);
          guest.onPath("path_unlink_file", directory, `${relative(data, name)}/new`);
        }
        assert.ok(good >= ENOUGH && refused >= ENOUGH, `${good} good, ${refused} refused`);
      });
    });
  }
  assert.equal(readdirSync(join(root, "secret")), ["key"]);
  assert.equal(readdirSync(join(data, "denied")), ["key"]);
  assert.is(readFileSync(join(data, "denied/key"), "utf8"), SECRET);
});

test("pipes, sockets and devices are not opened, and opening does not wait", async () => {
  const { data } = tree();
  assert.is(spawnSync("mkfifo", [join(data, "pipe")]).status, 0);
  const server = createServer().listen(join(data, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  server.unref();
  using({ allow: { read: [data, "/dev"], write: [data, "/dev"] } }, (guest) => {
    for (const rights of [RIGHTS.read, RIGHTS.write, RIGHTS.both]) {
      for (const open of [0, O.create, O.create | O.truncate]) {
        assert.is(guest.open(guest.directory(data), "pipe", { rights, open }).errno, E.notsup);
        assert.is(guest.open(guest.directory(data), "socket", { rights, open }).errno, E.notsup);
        for (const name of ["null", "zero", "tty", "full"]) {
          assert.is(guest.open(guest.directory("/dev"), name, { rights, open }).errno, E.notsup);
        }
      }
    }
  });
  server.close();
});

test("what is the kernel's is no file, whoever may read and write everything", () => {
  using({ allow: { all: true } }, (guest) => {
    const slash = guest.directory("/");
    const own = `proc/${process.pid}`;
    for (const path of [
      `${own}/mem`,
      "proc/self/mem",
      `${own}/environ`,
      `${own}/fd`,
      "proc/sys/kernel/hostname",
      "sys/kernel",
      "sys/class",
      "proc",
    ]) {
      for (const rights of [RIGHTS.read, RIGHTS.both]) {
        const { errno } = guest.open(slash, path, { rights });
        assert.ok([E.notsup, E.isdir].includes(errno as never), `${path}: ${errno}`);
      }
    }
    assert.is(guest.open(slash, `${own}/root/etc/passwd`).errno, E.loop);
    assert.is(guest.open(slash, `${own}/fd/0`).errno, E.loop);
    assert.is(guest.open(slash, `${own}/cwd/package.json`).errno, E.loop);
    assert.is(guest.onPath("path_create_directory", slash, "sys/kernel/axiscript-test"), E.notsup);
    assert.is(guest.onPath("path_create_directory", slash, "proc/axiscript-test"), E.notsup);
    // Files are files.
    assert.is(guest.open(slash, "etc/passwd").errno, E.success);
    assert.ok(guest.directories.has("."));
  });
});

test("what is granted to be read cannot be changed, and what is granted to be written cannot be read", () => {
  const { data } = tree();
  using(reads(data), (guest) => {
    const directory = guest.directory(data);
    for (const options of [
      { rights: RIGHTS.write },
      { rights: RIGHTS.both },
      { rights: RIGHTS.read, open: O.truncate },
      { rights: RIGHTS.read | 256n },
      { rights: RIGHTS.read | (1n << 22n) },
    ]) {
      assert.is(guest.open(directory, "in.txt", options).errno, E.notcapable);
    }
    assert.is(guest.open(directory, "new", { rights: RIGHTS.read, open: O.create }).errno, E.notcapable);
    assert.is(guest.onPath("path_create_directory", directory, "new"), E.notcapable);
    assert.is(guest.onPath("path_unlink_file", directory, "in.txt"), E.notcapable);
    assert.is(guest.rename(directory, "in.txt", directory, "new"), E.notcapable);
    const { fd } = guest.open(directory, "in.txt");
    assert.is(guest.write(fd, "x"), E.badf);
    assert.is(guest.call("fd_filestat_set_size", fd, 0n), E.badf);
  });
  using({ allow: { write: [data] } }, (guest) => {
    const directory = guest.directory(data);
    assert.is(guest.open(directory, "in.txt").errno, E.notcapable);
    assert.is(guest.open(directory, "in.txt", { rights: RIGHTS.both }).errno, E.notcapable);
    assert.is(guest.open(directory, "in.txt", { rights: RIGHTS.none }).errno, E.notcapable);
    assert.is(guest.call("fd_readdir", directory, 0, 100, 0n, 200), E.notcapable);
    const sub = guest.open(directory, "sub", { open: O.directory });
    assert.is(guest.call("fd_readdir", sub.fd, 0, 100, 0n, 200), E.notcapable);
    assert.is(guest.open(sub.fd, "deep/x").errno, E.notcapable);
    assert.is(guest.write(guest.open(sub.fd, "new", { rights: RIGHTS.write, open: O.create }).fd, "x"), E.success);
  });
  assert.is(readFileSync(join(data, "in.txt"), "utf8"), "hello");
});

test("denials win within what is granted, and renaming does not get round them", () => {
  const { data } = tree();
  mkdirSync(join(data, "private"));
  writeFileSync(join(data, "private/key"), SECRET);
  symlinkSync("../private", join(data, "sub/link"));
  const denied = join(data, "private");
  using({ ...changes(data), deny: { read: [denied] } }, (guest) => {
    const directory = guest.directory(data);
    for (const path of ["private/key", "sub/link/key", "sub/../private/key"]) {
      assert.is(guest.open(directory, path).errno, E.perm, path);
    }
    // It may be written to, and so may be a beginning of paths.
    const { fd } = guest.open(directory, "private", { open: O.directory });
    assert.is(guest.call("fd_readdir", fd, 0, 100, 0n, 200), E.notcapable);
    assert.is(guest.open(fd, "key").errno, E.perm);
    assert.is(guest.rename(directory, "private/key", directory, "key"), E.perm);
    assert.is(guest.rename(directory, "private", directory, "public"), E.perm);
    assert.is(guest.rename(directory, "sub", directory, "private"), E.perm);
    // Nor the other way round: what is put there is not read any more.
    assert.is(guest.rename(directory, "in.txt", directory, "private/in.txt"), E.success);
  });
  using({ ...changes(data), deny: { write: [denied] } }, (guest) => {
    const directory = guest.directory(data);
    assert.is(guest.read(guest.open(directory, "private/key").fd), SECRET);
    assert.is(guest.open(directory, "private/key", { rights: RIGHTS.write }).errno, E.perm);
    assert.is(guest.open(directory, "private/new", { rights: RIGHTS.write, open: O.create }).errno, E.perm);
    assert.is(guest.onPath("path_unlink_file", directory, "private/key"), E.perm);
    assert.is(guest.onPath("path_create_directory", directory, "private/d"), E.perm);
  });
  // A directory above a rule's place carries it away.
  const above = tree();
  const inner = join(above.data, "sub/deep");
  using({ allow: { write: [above.data], read: [inner] } }, (guest) => {
    const directory = guest.directory(above.data);
    assert.is(guest.rename(directory, "sub", directory, "gone"), E.perm);
    assert.is(guest.onPath("path_create_directory", directory, "other"), E.success);
    assert.is(guest.rename(directory, "other", directory, "sub"), E.perm);
    assert.is(guest.rename(directory, "in.txt", directory, "sub/deep/in.txt"), E.notcapable);
    assert.is(guest.rename(directory, "other", directory, "another"), E.success);
  });
});

test("a script changes no record of itself, by whatever name", () => {
  const { data } = tree();
  const audit = join(data, "audit");
  writeFileSync(audit, "");
  linkSync(audit, join(data, "other-name"));
  using(
    changes(data),
    (guest) => {
      const directory = guest.directory(data);
      for (const name of ["audit", "other-name"]) {
        for (const open of [0, O.create, O.truncate]) {
          assert.is(guest.open(directory, name, { rights: RIGHTS.write, open }).errno, E.perm);
        }
        assert.is(guest.onPath("path_unlink_file", directory, name), E.perm);
        assert.is(guest.rename(directory, name, directory, "elsewhere"), E.perm);
        assert.is(guest.rename(directory, "in.txt", directory, name), E.perm);
      }
      assert.is(guest.open(directory, "audit").errno, E.success);
    },
    audit,
  );
  assert.match(readFileSync(audit, "utf8"), '"permission":"write"');
});

test("at most so many files are open, and none stays open", () => {
  const { data } = tree();
  const before = openBelow(data).length;
  assert.is(before, 0);
  using(reads(data), (guest) => {
    const directory = guest.directory(data);
    const opened: number[] = [];
    for (;;) {
      const { errno, fd } = guest.open(directory, "in.txt");
      if (errno !== E.success) {
        assert.is(errno, E.mfile);
        break;
      }
      opened.push(fd);
    }
    assert.is(opened.length + guest.directories.size, MAX_OPEN_FILES);
    assert.is(guest.open(directory, "in.txt", { open: O.create }).errno, E.mfile);
    assert.is(guest.call("fd_close", opened[7] ?? 0), E.success);
    assert.is(guest.open(directory, "in.txt").fd, opened[7]);
    // Failures in every stage leave nothing open.
    for (let round = 0; round < 2000; round++) {
      guest.open(directory, "in.txt");
      guest.open(directory, "nowhere/x", { rights: RIGHTS.write, open: O.create });
      guest.stat(directory, "..");
      guest.rename(directory, "in.txt", directory, "sub");
    }
    assert.is(openBelow(data).length, MAX_OPEN_FILES);
  });
  assert.is(openBelow(data).length, 0);
});

const asOrdinaryUser = testWhere(test, process.getuid?.() !== 0, "root may read everything");
asOrdinaryUser("the system's own rights hold", () => {
  const { data } = tree();
  chmodSync(join(data, "in.txt"), 0);
  using(changes(data), (guest) => {
    assert.is(guest.open(guest.directory(data), "in.txt").errno, E.acces);
  });
});

test("paths that are no paths are refused", () => {
  const { data } = tree();
  using(changes(data), (guest) => {
    const directory = guest.directory(data);
    assert.is(guest.open(directory, "").errno, E.noent);
    assert.is(guest.open(directory, "in.txt\0.png").errno, E.inval);
    assert.is(guest.open(directory, Buffer.from([0x61, 0xff])).errno, 25);
    assert.is(guest.open(directory, "x".repeat(5000)).errno, E.nametoolong);
    assert.is(guest.open(directory, "in.txt/").errno, E.notdir);
    assert.is(guest.open(directory, "new/", { rights: RIGHTS.write, open: O.create }).errno, E.isdir);
    assert.is(guest.open(guest.open(directory, "in.txt").fd, "x").errno, E.notdir);
    assert.is(guest.open(directory, "sub", { rights: RIGHTS.both }).errno, E.isdir);
    assert.throws(() => guest.call("path_open", directory, 0, 0x7fffffff, 10, 0, 2n, 0n, 0, 0));
  });
});

test("a granted directory is called what the user called it, too", () => {
  const { root } = tree();
  symlinkSync("data", join(root, "link"));
  using(reads(join(root, "link")), (guest) => {
    const link = join(root, "link");
    assert.equal([...guest.directories.keys()].sort(), [link, relative(process.cwd(), link)].sort());
    assert.is(guest.read(guest.open(guest.directory(link), "in.txt").fd), "hello");
  });
});

test("no call with any arguments harms the host, or changes anything outside", async () => {
  const { root, data } = tree();
  const random = randomNumbers(23);
  const odd = [0, 1, 2, 3, 4, 5, 6, 8, 64, 300, 1024, 4095, 65535, 65536, 0x7fffffff, -1, -8, -0x80000000];
  const names = ["in.txt", "../secret/key", "sub", "sub/deep", "new", "..", "/", "sub/x", "\0", "é"];
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const functions = [...(ABI_TABLE.get("wasi_snapshot_preview1") ?? [])].filter(([name]) => /^(?:fd|path)_/.test(name));
  const guest = new Guest(changes(data));
  for (let round = 0; round < 20_000; round++) {
    const [name, { signature }] = pick(functions);
    if (name === "fd_read" || name === "fd_pread") guest.put(1024, Buffer.from([0, 32, 0, 0, 16, 0, 0, 0]));
    const [, length] = guest.put(64, pick(names));
    const args = signature.parameters.map((type, index) => {
      if (type === "i64") return BigInt(pick(odd));
      // More often than not something that makes sense: a descriptor, then a path.
      if (random() < 0.5) return pick(odd);
      return index === 0 ? 3 + Math.floor(random() * 8) : pick([64, length, 1024]);
    });
    // Standard input would be waited for.
    if (name === "fd_read" && Number(args[0]) === 0) continue;
    if (Number(args[0]) === 1 || Number(args[0]) === 2) continue;
    try {
      assert.type(guest.call(name, ...args), "number");
    } catch (error) {
      assert.ok(error instanceof AxiscriptError, String(error));
      assert.is(error.code, "ERR_AXI_BAD_POINTER");
    }
  }
  guest.wasi.close();
  assert.is(openBelow(root).length, 0);
  assert.equal(readdirSync(root).sort(), ["data", "secret"]);
  assert.is(readFileSync(join(root, "secret/key"), "utf8"), SECRET);
  assert.ok(statSync(data).isDirectory());
  await rejectsWith("ERR_AXI_USAGE", () => new Guest(reads(join(temporaryDirectory(), "nowhere"))));
});

test.run();
