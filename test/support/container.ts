/**
 * A container out of what Linux has: namespaces of processes and mounts, a root of its
 * own with nothing but Bun, this package and the test's files, read-only, a small
 * /dev/shm, another user. The command is its process 1. Runs in the test process.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Place } from "./place.ts";
import { childrenOf, waitFor } from "./processes.ts";

const ROOT = process.getuid?.() === 0;
const UNSHARE = [
  "unshare",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  ...(ROOT ? [] : ["--user", "--map-root-user"]),
];

/** What the kernel says where it does not let us make namespaces; undefined where it does. */
export function forbidden(): string | undefined {
  const run = Bun.spawnSync([...UNSHARE, "mount", "-t", "proc", "proc", "/proc"], { stderr: "pipe" });
  return run.exitCode === 0 ? undefined : run.stderr.toString();
}

/** How a container differs from the usual one. */
export interface ContainerOptions {
  /** Size of /dev/shm, as mount(8) takes it, default Docker's; or "ro": it cannot be written. */
  readonly shm?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const PACKAGE = join(import.meta.dirname, "../..");

/** As root another user than root; else the one there is. */
const USER = "1000:1000";

/** Mounts the new root and becomes the command; $1 is the root, the command follows. */
const SCRIPT = (place: Place, { shm = "64m", env = {} }: ContainerOptions): string => `
  set -e
  root=$1; shift
  mount --make-rprivate /
  mount -t tmpfs -o size=4m,mode=755 tmpfs "$root"
  for dir in usr proc dev/shm package app traces tmp; do mkdir -p "$root/$dir"; done
  for link in bin sbin lib lib64; do [ ! -e /usr/$link ] || ln -s usr/$link "$root/$link"; done
  mount --rbind /usr "$root/usr"
  mount -t proc proc "$root/proc"
  for file in dev/null dev/zero dev/urandom; do touch "$root/$file"; mount --bind /$file "$root/$file"; done
  touch "$root/bun"; mount --bind '${process.execPath}' "$root/bun"
  mount --bind '${PACKAGE}' "$root/package"
  mount --bind '${join(place.dir, "app")}' "$root/app"
  mount --bind '${join(place.dir, "traces")}' "$root/traces"
  mount -t tmpfs -o size=${shm === "ro" ? "64m" : shm},mode=1777 tmpfs "$root/dev/shm"
  ${shm === "ro" ? 'mount -o remount,ro,bind "$root/dev/shm"' : ""}
  mount -o remount,ro,bind "$root/package"
  mount -o remount,ro,bind "$root"
  exec env -i PATH=/usr/bin:/usr/sbin NO_COLOR=1 ${Object.entries(env)
    .map(([name, value]) => `${name}='${value}'`)
    .join(" ")} chroot ${ROOT ? `--userspec=${USER}` : ""} "$root" "$@"`;

/** A running container. */
export interface Container {
  readonly process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** Id of its process 1, outside of it. */
  first(): Promise<number>;
}

/** Puts files into the place's directories for the container: /app. */
export function prepareContainer(place: Place, files: Readonly<Record<string, string>>): void {
  for (const dir of ["app", "traces", "root"]) mkdirSync(join(place.dir, dir), { mode: 0o777 });
  // Whatever the umask: another user writes there.
  Bun.spawnSync(["chmod", "777", join(place.dir, "app"), join(place.dir, "traces")]);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place.dir, "app", name), text);
}

/** Starts a container with `command` as its process 1. */
export function startContainer(
  place: Place,
  command: readonly string[],
  options: ContainerOptions = {},
): Container {
  const running = Bun.spawn(
    [...UNSHARE, "sh", "-c", SCRIPT(place, options), "sh", join(place.dir, "root"), ...command],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  return {
    process: running,
    first: () => waitFor("process 1 of the container", () => childrenOf(running.pid)[0]),
  };
}
