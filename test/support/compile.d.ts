export function compileEmbedded(): { folder: string; entry: string };
export function compileKafka(): { folder: string; support: string };
