/**
 * An application with a component, on the compiled SDK, that closes when it is told to on its standard input, and then
 * does nothing more. `node closing-app.js <URL of the coordinator>`
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Cancel, Confirm, TccComponent, TercetModule, Try } from '@tercet/client/nest';
import { once } from 'node:events';
import { DataSource } from 'typeorm';

class Wallet {
  hold() {}
  take() {}
  release() {}
}
for (const [mark, name] of [
  [Try(), 'hold'],
  [Confirm(), 'take'],
  [Cancel(), 'release'],
]) {
  mark(Wallet.prototype, name, Object.getOwnPropertyDescriptor(Wallet.prototype, name));
}
TccComponent('wallet')(Wallet);

class App {}
Module({
  // A request that nobody ends would last for ten minutes.
  imports: [TercetModule.forRoot({ url: process.argv[2], timeoutMs: 600_000 })],
  providers: [Wallet, { provide: DataSource, useValue: {} }],
})(App);

const app = await NestFactory.create(App, new FastifyAdapter(), { logger: ['error'] });
await app.listen(0, '127.0.0.1');
await once(process.stdin, 'data');
await app.close();
