/** @tercet/client/nest: a module, and decorators for providers that take part in transactions. */
export { isTercetCall } from './calls.controller.js';
export { TercetConfigModule } from './config-module.js';
export {
  Action,
  Cancel,
  Compensate,
  Confirm,
  Deliver,
  MessageComponent,
  SagaComponent,
  TccComponent,
  Try,
} from './decorators.js';
export type { ComponentOptions, DeliverCall, MessageComponentOptions, SagaCall, TccCall } from './decorators.js';
export { Messages } from './messages.js';
export { TercetModule } from './module.js';
export type { TercetOptions } from './options.js';
export { Registration } from './registration.js';
