import { closeSync, mkdirSync, openSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BoardFiles } from "../../host/board/directory/files";
import { PATHS } from "../../host/board/kernel/paths";
import { PlainKernelFiles } from "../../host/board/kernel/plain/plain-kernel-files";
import { buildTree } from "../../host/board/kernel/tree";
import { SealedDeviceFiles } from "../../host/board/kernel/plain/sealed-device-files";
import { UioClass } from "../../host/board/kernel/devices/uio-class";
import { map, MAP_SHARED, PROT_READ, unmap, waitReadableBriefly } from "../../host/native/libc";
import { axiscript } from "../support/cli";
import { testWhere } from "../support/rights";
import { WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("who uses a board");

const DEVICE = {
  name: "Thing",
  nodeName: "Thing@a0000000",
  busName: "a0000000.Thing",
  treePath: "/Thing@a0000000",
  ranges: [{ name: "Thing", address: 0xa0000000, lengthBytes: 4096 }],
  interrupt: undefined,
  properties: new Map<string, Buffer>(),
};

function board() {
  const files = new BoardFiles(temporaryDirectory());
  buildTree(files.sysroot);
  mkdirSync(files.path(PATHS.private), { recursive: true });
  const use = new SealedDeviceFiles(files);
  return { files, use, uio: new UioClass(use, new PlainKernelFiles(files)) };
}

test("what the board itself has open does not count, what a program has open or mapped does", () => {
  const { files, use, uio } = board();
  const { id } = uio.publish(DEVICE);
  assert.not(use.inUse);
  const first = openSync(files.path(`${PATHS.devices}/${id}`), "r+");
  assert.ok(waitReadableBriefly(use.fd, -1, 0));
  assert.ok(use.inUse);
  const second = openSync(files.path(`${PATHS.devices}/${id}`), "r+");
  const address = map(4096, PROT_READ, MAP_SHARED, first, 0);
  closeSync(first);
  closeSync(second);
  assert.ok(use.inUse);
  unmap(address, 4096);
  assert.not(use.inUse);
  use.close();
});

/** Leaves what follows without inotify, in a user namespace, whose limits are its own. */
const WITHOUT_WATCHES = [
  ...["unshare", "--user", "--map-root-user", "sh", "-c"],
  'echo 0 > /proc/sys/user/max_inotify_instances && exec "$0" "$@"',
];
/** When the board would be told of changes, if there were watches. */
const AGAIN_LATER = `
device.close();
fpga.remove();
for (const end = Date.now() + 1000; Date.now() < end;) {}
fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
console.log(UioDevice.open("AxiProxy", "hpc").read32(0).toString(16));`;
const [command = "", ...args] = WITHOUT_WATCHES;
const canTakeWatches = spawnSync(command, [...args, "true"]).status === 0;

testWhere(
  test,
  canTakeWatches,
  "needs a user namespace",
)("a board works where there are no watches left", async () => {
  const script = temporaryFile("id.ts", `${WITH_PROXY}\n${AGAIN_LATER}`);
  const { status, stdout, stderr } = await axiscript(["run", script], { through: WITHOUT_WATCHES });
  assert.is(stdout, "a8122081\n", stderr);
  assert.is(status, 0);
});

test.run();
