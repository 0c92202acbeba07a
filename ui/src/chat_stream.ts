// A chat with a model through the gateway: the same act for every kind of server, read as it comes.
import { Refusal, refusalOf, withProof, type Point } from './api';
import { t } from './strings';

export interface Message { role: 'user' | 'assistant'; content: string }

const base = (point: Point) => `/chat/${point.name}`;

export async function models(point: Point): Promise<string[]> {
  const response = await fetch(`${base(point)}/v1/models`, { cache: 'no-store', credentials: 'same-origin' });
  if (!response.ok) throw await refusalOf(response);
  const list = (await response.json()) as { data?: { id: string }[] };
  return (list.data ?? []).map((model) => model.id);
}

/// The text of one event in OpenAI's or Anthropic's shape; an error that the gateway or the server puts
/// into the stream is thrown.
function textOf(data: string): string {
  const event = JSON.parse(data) as {
    error?: { code?: string; type?: string; message?: string };
    choices?: { delta?: { content?: string | null } }[];
    delta?: { text?: string };
  };
  if (event.error) throw new Refusal(event.error.code ?? event.error.type ?? 'upstream_aborted', 0, event.error.message ?? t.chat.cut);
  return event.choices?.[0]?.delta?.content ?? event.delta?.text ?? '';
}

/// Sends the conversation and hands over the answer piece by piece. Where the proof has lapsed, the
/// prompt waits for the step-up dialog and goes on by itself.
export function ask(point: Point, model: string, messages: Message[], signal: AbortSignal,
                    on: { piece: (text: string) => void; held: (waiting: boolean) => void }): Promise<void> {
  return withProof(async () => {
    const anthropic = point.kind === 'anthropic';
    const path = anthropic ? '/v1/messages' : '/v1/chat/completions';
    const body = { model, messages, stream: true, ...(anthropic ? { max_tokens: 1024 } : {}) };
    let response: Response;
    try {
      response = await fetch(base(point) + path, {
        method: 'POST', signal, cache: 'no-store', credentials: 'same-origin',
        headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' }, body: JSON.stringify(body),
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new Refusal('network', 0, t.reasons.network!);
    }
    if (!response.ok) throw await refusalOf(response);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = '';
    for (;;) {
      let piece: ReadableStreamReadResult<string>;
      try {
        piece = await reader.read();
      } catch (error) {
        if (signal.aborted) throw error;
        throw new Refusal('upstream_aborted', 0, t.chat.cut);
      }
      if (piece.done) return;
      buffer += piece.value;
      let end: number;
      while ((end = buffer.indexOf('\n')) >= 0) {
        const line = buffer.slice(0, end).trim();
        buffer = buffer.slice(end + 1);
        if (!line.startsWith('data:')) continue;
        const data = line.slice(5).trim();
        if (data === '[DONE]') return;
        const text = textOf(data);
        if (text) on.piece(text);
      }
    }
  }, on.held, point.offer);
}
