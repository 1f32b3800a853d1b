/** The command line as a process, with nothing in its environment but what a test gives. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const SCRIPT = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end. */
export function tercet(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const given = { env: { PATH: process.env['PATH'], ...env }, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(process.execPath, [SCRIPT, ...args], given, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

/** What it printed, line by line, without empty ones. */
export function lines({ stdout }: Ended): string[] {
  return stdout.split('\n').filter((line) => line !== '');
}
