/** A script that does what its arguments say with files below the first granted directory, and prints the errno of each. */
export const FILE_SCRIPT = `
// @ts-ignore
@external("wasi_snapshot_preview1", "path_open") declare function path_open(fd: i32, follow: i32, p: usize, n: i32, flags: i32, rights: u64, inheriting: u64, fdflags: i32, out: usize): i32;
// @ts-ignore
@external("wasi_snapshot_preview1", "path_rename") declare function path_rename(fd: i32, p: usize, n: i32, fd2: i32, p2: usize, n2: i32): i32;
// @ts-ignore
@external("wasi_snapshot_preview1", "path_unlink_file") declare function path_unlink(fd: i32, p: usize, n: i32): i32;
// @ts-ignore
@external("wasi_snapshot_preview1", "path_create_directory") declare function path_mkdir(fd: i32, p: usize, n: i32): i32;

const out = memory.data(16);
const READ: u64 = 1 << 1, WRITE: u64 = 1 << 6, LIST: u64 = 1 << 14;
const args = process.argv;
for (let i = 1; i < args.length; ) {
  const what = args[i++];
  const a = String.UTF8.encode(args[i++]);
  const p = changetype<usize>(a), n = a.byteLength;
  let errno = 0;
  if (what == "read") errno = path_open(3, 1, p, n, 0, READ, ~0, 0, out);
  else if (what == "write") errno = path_open(3, 1, p, n, 0, WRITE, ~0, 0, out);
  else if (what == "truncate") errno = path_open(3, 1, p, n, 8, WRITE, ~0, 0, out);
  else if (what == "create") errno = path_open(3, 1, p, n, 1, WRITE, ~0, 0, out);
  else if (what == "list") errno = path_open(3, 1, p, n, 2, LIST, ~0, 0, out);
  else if (what == "unlink") errno = path_unlink(3, p, n);
  else if (what == "mkdir") errno = path_mkdir(3, p, n);
  else { const b = String.UTF8.encode(args[i++]); errno = path_rename(3, p, n, 3, changetype<usize>(b), b.byteLength); }
  console.log(what + " " + errno.toString());
}
`;
/** Numbers of \`wasi_snapshot_preview1\`. */
export const ERRNO = { none: 0, exists: 20, notSupported: 58, notPermitted: 63 } as const;
