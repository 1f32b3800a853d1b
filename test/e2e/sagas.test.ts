/** Sagas whose coordinator is killed at each of their boundaries: in order and as a graph, refused late, forward. */
import { killedAtEveryBoundary } from './boundaries.js';
import { FORWARD, GRAPH, ORDERED } from './shapes.js';

killedAtEveryBoundary([
  ['committed', ORDERED],
  ['aborted', ORDERED],
  ['committed', GRAPH],
  ['aborted', GRAPH],
  ['committed', FORWARD],
]);
