export function compileEmbedded(): { folder: string; entry: string };
export function compileSupport(...names: string[]): { folder: string; support: string };
