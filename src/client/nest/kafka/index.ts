/** @tercet/client/nest/kafka: the transport of Nest for messages; needs @nestjs/microservices. */
export { MessageContext } from './message-context.js';
export { MessageHandler } from './message-handler.js';
export { TercetKafka } from './tercet-kafka.js';
export type { TercetKafkaOptions } from './tercet-kafka.js';
