/** Settings of a unit that can be tried where there is no systemd. */
const SETTINGS = ["User", "AmbientCapabilities", "CapabilityBoundingSet", "LimitMEMLOCK", "ExecStart"] as const;
type UnitSettings = Readonly<Record<(typeof SETTINGS)[number], string>>;

/** What systemd gives a service of the system, and nothing else of its own environment. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";
const KIB_IN: Readonly<Record<string, number>> = { K: 1, M: 2 ** 10, G: 2 ** 20 };

/** The settings of a unit's service. */
export function readUnit(unit: string): UnitSettings {
  const service = /^\[Service\]\n((?:.+\n)*)/m.exec(unit)?.[1] ?? "";
  const found = new Map([...service.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
  const settings = Object.fromEntries(SETTINGS.map((name) => [name, found.get(name) ?? ""])) as UnitSettings;
  for (const name of SETTINGS) found.delete(name);
  if (found.size > 0) throw new Error(`a unit's ${[...found.keys()].join(", ")} cannot be tried`);
  return settings;
}

/**
 * A shell's command that runs what a unit runs, as systemd would: with its user, rights, limits and environment.
 *
 * @param instead settings to use in place of the unit's
 */
export function unitCommand(unit: string, instead: Partial<UnitSettings> = {}): string {
  const { User, AmbientCapabilities, CapabilityBoundingSet, LimitMEMLOCK, ExecStart } = {
    ...readUnit(unit),
    ...instead,
  };
  const [, size = "0", suffix = "K"] = /^(\d+)([KMG])$/.exec(LimitMEMLOCK) ?? [];
  const ambient = capabilities(AmbientCapabilities);
  return [
    `cd /; ulimit -l ${Number(size) * (KIB_IN[suffix] ?? 0)}; exec /usr/bin/setpriv --reuid=${User} --regid=$(id -g ${User}) --init-groups`,
    `--inh-caps=${ambient} --ambient-caps=${ambient} --bounding-set=${capabilities(CapabilityBoundingSet)}`,
    `env -i PATH=${PATH} USER=${User} HOME=/home/${User} ${ExecStart}`,
  ].join(" ");
}

/** These capabilities and no others, as `setpriv` from util-linux wants them. */
function capabilities(names: string): string {
  const wanted = names.split(" ").filter(Boolean);
  return ["-all", ...wanted.map((name) => `+${name.toLowerCase().replace(/^cap_/, "")}`)].join(",");
}

/** A shell script that does by udev's rules what udev would do, for all devices that are there. */
export function udevScript(rules: string): string {
  return rules
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(ruleScript)
    .join("\n");
}

function ruleScript(rule: string): string {
  const conditions: string[] = ['[ -e "$device" ]'];
  const actions: string[] = [];
  let subsystem = "";
  for (const [, key = "", attribute = "", operator, value = ""] of rule.matchAll(
    /(\w+)(?:\{(\w+)\})?(==|\+?=)"(.*?)"/g,
  )) {
    const what = `${key}${operator}`;
    if (what === "SUBSYSTEM==") subsystem = value;
    else if (what === "ATTR==") conditions.push(`[ "$(cat $device/${attribute})" = ${value} ]`);
    else if (what === "GROUP=") actions.push(`chgrp ${value} /dev/\${device##*/}`);
    else if (what === "MODE=") actions.push(`chmod ${value} /dev/\${device##*/}`);
    else if (what === "RUN+=") actions.push(value.replaceAll("%p", "${path#/sys}"));
    else throw new Error(`${what} cannot be tried`);
  }
  const act = ["path=$(realpath $device)", ...actions].join("; ");
  return `for device in /sys/class/${subsystem}/* /sys/bus/${subsystem}/devices/*; do if ${conditions.join(" && ")}; then ${act}; fi; done`;
}
