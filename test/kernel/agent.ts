import { spawn } from "node:child_process";
import { createReadStream, openSync, writeSync } from "node:fs";
import { type Job, type JobNews, lineSplitter, READY } from "./jobs";

/** In the guest: runs the jobs that come in through the second serial port; an empty line ends it. */
const PORT = "/dev/ttyS1";
const output = openSync(PORT, "w");
const input = createReadStream(PORT, "utf8");

function send(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(output, bytes, at);
}

function tell(news: JobNews): void {
  send(JSON.stringify(news));
}

function run({ id, command, user = 0, env = {} }: Job): void {
  const home = user === 0 ? "/root" : "/tmp";
  const child = spawn("sh", ["-c", command], {
    stdio: ["ignore", "pipe", "pipe"],
    ...{ uid: user, gid: user, cwd: home },
    env: { ...process.env, HOME: home, ...env },
  });
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => tell({ id, stream, text }));
  }
  child.on("close", (status, signal) => tell({ id, status, signal }));
}

const onText = lineSplitter((line) => {
  if (line === "") process.exit(0);
  run(JSON.parse(line) as Job);
});
input.on("data", (text) => onText(String(text)));
send(READY);
