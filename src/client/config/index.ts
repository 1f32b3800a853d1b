/** @tercet/client/config: the configuration center, for services (docs/configuration.md). */
export { TercetConfig } from './tercet-config.js';
export type { ConfigStatus } from './tercet-config.js';
export type { LastGoodOptions, TercetConfigOptions } from './options.js';
export { ConfigSnapshot } from './snapshot.js';
export type { ValueOf } from './snapshot.js';
export type { Build } from '../../config/live.js';
export type { Clock, Logger } from '../../platform/surroundings.js';
export { CodedError } from '../../platform/coded-error.js';
export type { ConfigContent } from '../../protocol/config.js';
