export function compileEmbedded(): { folder: string; entry: string };
