/** CPU time of processes of this machine, as Linux accounts for it; elsewhere nobody knows. */
import { readFileSync } from 'node:fs';

/** Of the clock in which Linux counts: 100 a second on every platform that Node runs on. */
const TICK_US = 10_000;

/** In µs, user and system, threads included; null: not Linux, or it has ended. */
export function cpuOf(pid: number): number | null {
  const times = timesOf(pid);
  return times && times.own;
}

/** Of a server and of all processes it started, those that have ended too. */
export function cpuOfServer(pid: number): number | null {
  const times = timesOf(pid);
  const children = read(`/proc/${pid}/task/${pid}/children`);
  if (times === null || children === null) return null;
  const alive = children.split(' ').filter(Boolean).map(Number);
  return alive.reduce((sum, child) => sum + (cpuOf(child) ?? 0), times.own + times.ofEnded);
}

/** The server of which the process `pid` is a session; null: it is not one of this machine. `title` stands in its name. */
export function serverOf(pid: number, title: string): number | null {
  return read(`/proc/${pid}/cmdline`)?.includes(title) ? Number(fieldsOf(pid)[1]) : null;
}

function timesOf(pid: number): { own: number; ofEnded: number } | null {
  const [user, system, endedUser, endedSystem] = fieldsOf(pid).slice(11, 15).map(Number);
  if (user === undefined || system === undefined) return null;
  return { own: (user + system) * TICK_US, ofEnded: ((endedUser ?? 0) + (endedSystem ?? 0)) * TICK_US };
}

/** From the state on; the name before it may have spaces and brackets. */
function fieldsOf(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text === null ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
