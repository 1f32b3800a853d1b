interface Edit {
  find: string;
  replace: string;
}
export interface Mutant extends Edit {
  name: string;
  file: string;
  also?: Edit;
}
export const MUTANTS: Mutant[];
