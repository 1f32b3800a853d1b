/** Which version of Tercet this is. */
import { existsSync, readFileSync } from 'node:fs';

/** This file runs as src/version.ts in tests and as dist/src/version.js otherwise. */
const manifest = ['../package.json', '../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));

export const VERSION = manifest
  ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
  : 'unknown';
