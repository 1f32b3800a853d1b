/** What Apache Kafka needs to run as a process: Java, and its jars from Maven Central, kept between runs. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { programOf } from './debian.js';

const VERSION = '4.1.1';
/** Tests and `npm run bench` run from the root of the clone. */
const CACHE = resolve('node_modules/.cache/tercet/kafka');
const JARS = join(CACHE, VERSION);
const LIMIT_MS = 240_000;
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

const dependency = (group: string, name: string, version: string): string =>
  `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
/** The broker names all that it needs, save somewhere to log to. */
const POM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.test</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-core', '2.24.3')}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', '2.24.3')}
  </dependencies>
</project>`;

export interface KafkaProgram {
  readonly java: string;
  readonly classPath: string;
}

/** Null: it cannot be had here, and standard error says why. @throws where CI is set: there no test is left out */
export function kafkaProgram(): KafkaProgram | null {
  const java = programOf('java', 'openjdk-17-jre-headless');
  if (java === null) return null;
  const program = { java, classPath: join(JARS, '*') };
  if (existsSync(JARS)) return program;
  const maven = programOf('mvn', 'maven');
  if (maven === null) return null;
  try {
    fetchJars(maven);
  } catch (error) {
    const { stdout } = error as { stdout?: Buffer };
    const said = (stdout?.toString().trim() || String(error)).split('\n')[0] ?? '';
    const why = `Apache Kafka ${VERSION} cannot be had from Maven: ${said}`;
    if (process.env['CI']) throw new Error(why, { cause: error });
    process.stderr.write(`${why}; the tests that need it are skipped\n`);
    return null;
  }
  return program;
}

/** Into a folder of its own first: several may do so at once, and one that is broken off leaves no half of it. */
function fetchJars(maven: string): void {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    writeFileSync(join(folder, 'pom.xml'), POM);
    const args = ['-q', '-B', '-ntp', COPY, '-DincludeScope=runtime', `-DoutputDirectory=${join(folder, 'jars')}`];
    execFileSync(maven, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
    try {
      renameSync(join(folder, 'jars'), JARS);
    } catch (error) {
      // Somebody else was first.
      if (!existsSync(JARS)) throw error;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
