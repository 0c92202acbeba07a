// A model that asks for tool calls, scripted, and what people say of them.
import { chat, chunk, eventStream, json } from './upstream.mjs';

export const call = (name, args, id = `call_${name}`) => ({ id, type: 'function', function: { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) } });
export const tool = (name) => ({ type: 'function', function: { name, description: name, parameters: { type: 'object', properties: {} } } });

const event = (delta, finish = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-7', object: 'chat.completion.chunk', created: 1, model: 'scripted', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

/// Answers with `calls` until it is told a tool's result; then it says that all is done.
export const asking = (calls, { said = 'I will do that.' } = {}) => async (request, socket) => {
  if (request.target.endsWith('/models')) return chat(request, socket);
  const asked = JSON.parse(request.body.toString() || '{}');
  const last = asked.messages?.at(-1);
  const over = last?.role === 'tool';
  const made = over ? [] : typeof calls === 'function' ? calls(asked) : calls;
  const text = over ? `Done: ${last.content}` : said;
  if (!asked.stream) {
    return socket.write(json({
      id: 'chatcmpl-7', object: 'chat.completion', created: 1, model: asked.model,
      choices: [{ index: 0, message: { role: 'assistant', content: text, ...(made.length > 0 ? { tool_calls: made } : {}) }, finish_reason: made.length > 0 ? 'tool_calls' : 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 11, total_tokens: 18 },
    }));
  }
  socket.write(eventStream);
  socket.write(chunk(event({ role: 'assistant', content: '' })));
  for (const word of text.split(' ')) socket.write(chunk(event({ content: `${word} ` })));
  made.forEach((one, index) => {
    socket.write(chunk(event({ tool_calls: [{ index, id: one.id, type: 'function', function: { name: one.function.name, arguments: '' } }] })));
    for (let at = 0; at < one.function.arguments.length; at += 5) {
      socket.write(chunk(event({ tool_calls: [{ index, function: { arguments: one.function.arguments.slice(at, at + 5) } }] })));
    }
  });
  socket.write(chunk(event({}, made.length > 0 ? 'tool_calls' : 'stop')));
  socket.write(chunk('data: [DONE]\n\n'));
  socket.write('0\r\n\r\n');
};

/// What waits for a person, by the API.
export const confirmations = async (gateway, person) => (await gateway.api('GET', '/v1/confirmations', undefined, person)).confirmations;
