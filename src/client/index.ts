export { HEADERS, IDENTIFIER } from '../protocol/words.js';
export type {
  BranchView,
  EventView,
  Json,
  ParticipantCall,
  Problem,
  Reason,
  TimelineView,
  TransactionView,
} from '../protocol/words.js';
