/** `tercet config …`: the configuration center. */
import type { Command } from './command.js';
import { DRAFT_COMMANDS } from './config-draft.js';
import { LOOK_COMMANDS } from './config-look.js';
import { NODE_COMMANDS } from './config-nodes.js';
import { RELEASE_COMMANDS } from './config-release.js';

export const CONFIG_COMMANDS: readonly Command[] = [
  ...LOOK_COMMANDS,
  ...DRAFT_COMMANDS,
  ...RELEASE_COMMANDS,
  ...NODE_COMMANDS,
];
