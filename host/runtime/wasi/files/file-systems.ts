import { fileSystemOf } from "../../../native/directories";

/**
 * File systems that keep files. All others are interfaces of the kernel in the shape of files (proc, sysfs, configfs,
 * debugfs, cgroup and so on): what is written there goes to the kernel, to devices, or to the memory of processes, and
 * none of that is granted by granting a directory.
 *
 * Source: `linux/magic.h`, and the file systems' own headers.
 */
const KEEP_FILES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xca451a4e, // bcachefs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0x01021994, // tmpfs, devtmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x4d44, // vfat
  0x2011bab0, // exfat
  0x7366746e, // ntfs3
  0x9660, // iso9660
  0x15013346, // udf
  0x73717368, // squashfs
  0xe0f5e1e2, // erofs
  0x28cd3d45, // cramfs
  0x7275, // romfs
  0x72b6, // jffs2
  0x24051905, // ubifs
  0x3434, // nilfs2
  0x65735546, // fuse, virtiofs
  0x6969, // nfs
  0x01021997, // 9p
  0xff534d42, // cifs
  0xfe534d42, // smb2
  0x00c36400, // ceph
]);

/** Whether an open file or directory lies where files are kept. */
export function keepsFiles(fd: number): boolean {
  return KEEP_FILES.has(fileSystemOf(fd));
}
