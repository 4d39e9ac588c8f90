/**
 * Errno values of WASI preview 1, by the name of Linux's where there is one.
 * Source: `wasi_snapshot_preview1.witx`.
 */
export const WASI_ERRNO = {
  EACCES: 2,
  EAGAIN: 6,
  EBADF: 8,
  EBUSY: 10,
  EDQUOT: 19,
  EEXIST: 20,
  EFBIG: 22,
  EILSEQ: 25,
  EINVAL: 28,
  EIO: 29,
  EISDIR: 31,
  ELOOP: 32,
  EMFILE: 33,
  EMLINK: 34,
  ENAMETOOLONG: 37,
  ENFILE: 41,
  ENODEV: 43,
  ENOENT: 44,
  ENOMEM: 48,
  ENOSPC: 51,
  ENOTDIR: 54,
  ENOTEMPTY: 55,
  /** Nothing that axiscript lets scripts open. */
  ENOTSUP: 58,
  ENXIO: 60,
  EOVERFLOW: 61,
  /** Denied by a rule. */
  EPERM: 63,
  EROFS: 69,
  ESTALE: 72,
  ETXTBSY: 74,
  /** Leads out of a granted directory. */
  EXDEV: 75,
  /** Not granted. */
  ENOTCAPABLE: 76,
} as const;

export type WasiErrorName = keyof typeof WASI_ERRNO;

/** A file function that ends with an errno. */
export class WasiError extends Error {
  override readonly name = "WasiError";
  /** As errors of Node and of system calls have it. */
  readonly code: WasiErrorName;

  constructor(code: WasiErrorName) {
    super(code);
    this.code = code;
  }
}

/** The errno for the `code` of a failed system call. */
export function wasiErrno(code: string | undefined): number {
  return code !== undefined && Object.hasOwn(WASI_ERRNO, code) ? WASI_ERRNO[code as WasiErrorName] : WASI_ERRNO.EIO;
}
