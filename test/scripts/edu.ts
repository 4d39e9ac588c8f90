/** QEMU's educational device, through nothing but its description. */
import { hex, UioDevice } from "axiscript/assembly";

const LIVENESS: u32 = 0x04;
const FACTORIAL: u32 = 0x08;
const STATUS: u32 = 0x20;
const RAISED: u32 = 0x24;
const RAISE: u32 = 0x60;
const ACKNOWLEDGE: u32 = 0x64;
const TIMEOUT_MS: i32 = 20000;

const edu = UioDevice.open("Edu");
edu.write32(LIVENESS, 0x12345678);
console.log(`liveness ${hex(edu.read32(LIVENESS))}`);

edu.enableInterrupt();
for (let reason: u32 = 1; reason <= 3; reason++) {
  edu.write32(RAISE, reason);
  if (edu.waitInterrupt(TIMEOUT_MS) < 0) throw new Error("no interrupt came");
  console.log(`raised ${edu.read32(RAISED)}`);
  edu.write32(ACKNOWLEDGE, reason);
  edu.enableInterrupt();
}

edu.write32(STATUS, 0x80);
edu.write32(FACTORIAL, 10);
if (edu.waitInterrupt(TIMEOUT_MS) < 0) throw new Error("no interrupt came");
console.log(`factorial ${edu.read32(FACTORIAL)}`);
edu.write32(STATUS, 0);
edu.write32(ACKNOWLEDGE, edu.read32(RAISED));

edu.disableInterrupt();
edu.write32(RAISE, 1);
console.log(`disabled ${edu.waitInterrupt(100)}`);
edu.write32(ACKNOWLEDGE, 1);
