import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  decodeRequest,
  encodeEntries,
  encodeError,
  encodeInit,
  encodeReply,
} from "../../../../host/board/kernel/fuse/fuse-protocol";
import { Attribute, Directory, Link, type TreeNode } from "../../../../host/board/kernel/kernel-tree";

const test = suite("FUSE protocol");

const INIT_EXTENDED = 1 << 30;
const REQUEST_TIMEOUT = 1 << 10;

/** fuse_init_in of a kernel that offers these flags. */
function init(flags: number, flags2: number): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(flags, 12);
  body.writeUInt32LE(flags2, 16);
  return body;
}

test("a limit to the time of an answer is set where the kernel knows of it, and nothing is asked of one that does not", () => {
  const with60 = encodeInit(init(INIT_EXTENDED, REQUEST_TIMEOUT), 60);
  assert.is(with60.length, 64);
  assert.is(with60.readUInt32LE(12) & INIT_EXTENDED, INIT_EXTENDED);
  assert.is(with60.readUInt32LE(32), REQUEST_TIMEOUT);
  assert.is(with60.readUInt16LE(40), 60);
  for (const old of [init(0, REQUEST_TIMEOUT), init(INIT_EXTENDED, 0)]) {
    const without = encodeInit(old, 60);
    assert.is(without.readUInt32LE(12) & INIT_EXTENDED, 0);
    assert.is(without.readUInt32LE(32), 0);
    assert.is(without.readUInt16LE(40), 0);
  }
});

test("a request's header and a reply's lie where the kernel has them", () => {
  const message = Buffer.alloc(44);
  message.writeUInt32LE(44, 0);
  message.writeUInt32LE(3, 4);
  message.writeBigUInt64LE(2n ** 63n + 5n, 8);
  message.writeBigUInt64LE(77n, 16);
  message.write("body", 40);
  const { opcode, unique, nodeId, body } = decodeRequest(message);
  assert.equal([opcode, unique, nodeId, body.toString()], [3, 2n ** 63n + 5n, 77, "body"]);
  const reply = encodeReply(unique, Buffer.from("abc"));
  assert.equal([reply.readUInt32LE(0), reply.readInt32LE(4), reply.readBigUInt64LE(8)], [19, 0, unique]);
  assert.is(reply.toString("latin1", 16), "abc");
  const error = encodeError(unique, "EBUSY");
  assert.equal([error.readUInt32LE(0), error.readInt32LE(4), error.readBigUInt64LE(8)], [16, -16, unique]);
});

test("a directory is listed in pieces of any size, each entry once", () => {
  const entries = Array.from({ length: 40 }, (_, index): [string, TreeNode] => [
    "n".repeat(1 + index),
    [new Directory(), Attribute.of("x"), new Link("y")][index % 3] as TreeNode,
  ]);
  for (let maxBytes = 64; maxBytes < 600; maxBytes += 24) {
    const names: string[] = [];
    for (let first = 0; ;) {
      const piece = encodeEntries(entries, first, maxBytes);
      assert.ok(piece.length <= maxBytes);
      if (piece.length === 0) break;
      for (let at = 0; at < piece.length;) {
        const length = piece.readUInt32LE(at + 16);
        names.push(piece.toString("latin1", at + 24, at + 24 + length));
        first = Number(piece.readBigUInt64LE(at + 8));
        at += Math.ceil((24 + length) / 8) * 8;
      }
    }
    assert.equal(
      names,
      entries.map(([name]) => name),
    );
  }
});

test.run();
