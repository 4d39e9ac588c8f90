import * as assert from "uvu/assert";
import { packageVersion } from "../../host/index";
import { guestSuite } from "./support";

const { test, run } = guestSuite("the stock kernel", {});

test("it runs this Node, and the packed package", async (guest) => {
  assert.is(await guest.succeed("node -p 1"), "1\n");
  assert.is(await guest.succeed("axiscript --version"), `${packageVersion()}\n`);
  assert.match(await guest.succeed("uname -rv"), /^\d+\.\d+\.\d+-\d+-amd64 .*Debian/);
});

run();
