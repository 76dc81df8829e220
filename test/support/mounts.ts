/**
 * Small file systems for programs: a tmpfs of a few pages in a mount namespace that
 * ends with the program, so that none is left behind. Runs in the test process.
 */
import type { Place } from "./place.ts";

/** As root a namespace of mounts is enough; others need one of users around it. */
export const UNSHARE =
  process.getuid?.() === 0 ? ["unshare", "--mount"] : ["unshare", "--user", "--map-root-user", "--mount"];

/** Whether this machine lets us mount at all: some containers do not. */
export function canMount(): boolean {
  const { exitCode } = Bun.spawnSync([...UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], {
    stderr: "ignore",
  });
  if (exitCode !== 0) console.error("  not tested: this machine does not let us mount a file system");
  return exitCode === 0;
}

/**
 * The words before a command that give it a tmpfs at `mountPoint`. When the command
 * and the consumers of its sessions are gone, what is on it is copied to `kept`.
 */
export function withTmpfs(place: Place, mountPoint: string, size: string, kept = ""): string[] {
  const script = `
    mount -t tmpfs -o size=${size},mode=700 tmpfs "$MOUNT" || exit 99
    shift
    "$@"
    status=$?
    while echo "$SESSIONS/" | grep -qsFf - /proc/[0-9]*/cmdline; do sleep 0.02; done
    [ -z "$KEPT" ] || cp -r "$MOUNT"/. "$KEPT"/
    exit $status`;
  const variables = [`MOUNT=${mountPoint}`, `SESSIONS=${place.sessionDir}`, `KEPT=${kept}`];
  return [...UNSHARE, "env", ...variables, "sh", "-c", script, "sh", "sh"];
}
