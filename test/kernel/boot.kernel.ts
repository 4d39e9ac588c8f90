import { suite } from "uvu";
import * as assert from "uvu/assert";
import { packageVersion } from "../../host/index";
import { withGuest, testInGuest } from "./support";

const test = suite("the stock kernel");
const inGuest = testInGuest(test);

inGuest("runs this Node, and the packed package", async () => {
  await withGuest({}, async (guest) => {
    assert.is(await guest.succeed("node -p 1"), "1\n");
    assert.is(await guest.succeed("axiscript --version"), `${packageVersion()}\n`);
    assert.match(await guest.succeed("uname -rv"), /^\d+\.\d+\.\d+-\d+-amd64 .*Debian/);
  });
});

test.run();
