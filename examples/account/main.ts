/** The account service: money that can be held, taken and given back. */
import 'reflect-metadata';
import { StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['log', 'warn', 'error'] });
app.useGlobalPipes(new StandardSchemaValidationPipe());
app.enableShutdownHooks();
await app.listen(Number(process.env['PORT'] ?? 3002), process.env['LISTEN_HOST'] ?? '127.0.0.1');
console.log(`account is listening on ${await app.getUrl()}`);
