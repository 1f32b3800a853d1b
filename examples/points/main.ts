/** The points service: takes what becomes of paid orders, from Kafka where there is one, else by HTTP. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TercetKafka } from '@tercet/client/nest/kafka';
import { Kafka } from 'kafkajs';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['log', 'warn', 'error'] });
const brokers = process.env['KAFKA_BROKERS'];
if (brokers) {
  const kafka = new Kafka({ clientId: 'points', brokers: brokers.split(',') });
  const groupId = process.env['KAFKA_GROUP'] || 'points';
  app.connectMicroservice({ strategy: new TercetKafka({ kafka, groupId, dataSource: app.get(DataSource) }) });
}
app.enableShutdownHooks();
await app.startAllMicroservices();
await app.listen(Number(process.env['PORT'] ?? 3004), process.env['LISTEN_HOST'] ?? '127.0.0.1');
console.log(`points is listening on ${await app.getUrl()}`);
