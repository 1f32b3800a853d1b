/** A TCC whose coordinator is killed at each of its boundaries. */
import { killedAtEveryBoundary } from './boundaries.js';
import { TCC } from './shapes.js';

killedAtEveryBoundary([
  ['committed', TCC],
  ['aborted', TCC],
]);
