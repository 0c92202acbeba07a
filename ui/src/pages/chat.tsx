// Chat with a guarded model. What the model says is text and nothing else: no markup, no links, no images.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Me } from '../api';
import { ask, models, type Message } from '../chat_stream';
import { Heading, Problem, Select } from '../parts/basics';
import { t } from '../strings';

type Line = Message & { problem?: unknown; stopped?: boolean };

export function Chat({ me, shown, refresh }: { me: Me; shown: boolean; refresh: () => Promise<void> }) {
  // Where the policy says no, there is nothing to see; what is lapsed or stopped may open again.
  const points = me.access_points.filter((p) => p.kind !== 'mcp' && !['policy_denied', 'policy_no_rule', 'role_required'].includes(p.reason));
  const [name, setName] = useState('');
  const point = points.find((p) => p.name === name) ?? points[0];
  const [known, setKnown] = useState<string[]>([]);
  const [model, setModel] = useState('');
  const [lines, setLines] = useState<Line[]>([]);
  const [prompt, setPrompt] = useState('');
  const [busy, setBusy] = useState<'' | 'thinking' | 'held'>('');
  const [said, setSaid] = useState('');  // for screen readers: the answer once it is whole
  const abort = useRef<AbortController | null>(null);
  const end = useRef<HTMLDivElement>(null);
  const id = useId();
  const open = point?.outcome === 'allow';

  useEffect(() => {
    if (!point || !open) return;
    models(point).then((all) => {
      setKnown(all);
      setModel((now) => (all.includes(now) ? now : (all[0] ?? '')));
    }, () => setKnown([]));
  }, [point?.name, open]);
  // Not on an empty page: browsers go on with Tab from where they scrolled to.
  useEffect(() => { if (lines.length) end.current?.scrollIntoView({ block: 'end' }); }, [lines, busy]);

  const last = (change: (line: Line) => Line) => setLines((all) => [...all.slice(0, -1), change(all.at(-1)!)]);
  const send = async (text: string) => {
    if (!point || busy || !text.trim()) return;
    const conversation: Message[] = [...lines.filter((l) => !l.problem && l.content).map(({ role, content }) => ({ role, content })),
                                     { role: 'user', content: text.trim() }];
    setLines((all) => [...all.filter((l) => !l.problem), { role: 'user', content: text.trim() }, { role: 'assistant', content: '' }]);
    setPrompt('');
    setSaid('');
    setBusy('thinking');
    const control = new AbortController();
    abort.current = control;
    let whole = '';
    try {
      let use = model;
      if (!use) {
        // The list was closed while the proof had lapsed; the server's own default serves as well.
        use = (await models(point).catch(() => []))[0] ?? 'default';
      }
      await ask(point, use, conversation, control.signal, {
        piece: (piece) => {
          whole += piece;
          last((l) => ({ ...l, content: l.content + piece }));
        },
        held: (waiting) => setBusy(waiting ? 'held' : 'thinking'),
      });
      setSaid(whole);
    } catch (error) {
      last((l) => (control.signal.aborted ? { ...l, stopped: true } : { ...l, problem: error }));
    } finally {
      abort.current = null;
      setBusy('');
      void refresh();
    }
  };
  const key = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void send(prompt);
  };

  if (!point) return shown ? <div class="page"><Heading title={t.chat.title} /><p class="notice">{t.chat.none}</p></div> : null;
  return (
    <section class="chat">
      {shown && (
        <Heading title={t.chat.title} intro={lines.length === 0 ? t.chat.intro : undefined}>
          {points.length > 1 && <Select label={t.chat.point} value={point.name} change={setName} options={points.map((p) => [p.name, p.name])} />}
          {known.length > 1 && <Select label={t.chat.model} value={model} change={setModel} options={known.map((m) => [m, m])} />}
          {lines.length > 0 && <button type="button" class="small" disabled={busy !== ''} onClick={() => setLines([])}>{t.chat.fresh}</button>}
        </Heading>
      )}
      <div class="lines" role="log" aria-live="off" aria-label={t.chat.title} tabIndex={0}>
        {lines.length === 0 && (
          <div class="suggestions">
            {t.chat.suggestions.map((text) => <button type="button" key={text} onClick={() => void send(text)}>{text}</button>)}
          </div>
        )}
        {lines.map((line, n) => (
          <article key={n} class={line.role}>
            <h2>{line.role === 'user' ? t.chat.you : model || t.chat.answer}</h2>
            {line.content && <p class="said">{line.content}</p>}
            {n === lines.length - 1 && busy === 'thinking' && !line.content && <p class="thinking"><span class="spinner" aria-hidden="true" />{t.chat.thinking} …</p>}
            {n === lines.length - 1 && busy === 'held' && <p class="held">{t.chat.held}</p>}
            {line.stopped && <p class="hint">{t.chat.stopped}</p>}
            {line.problem ? <Problem error={line.problem} /> : null}
          </article>
        ))}
        <div ref={end} />
      </div>
      <p class="unseen" role="status">{said}</p>
      <form class="prompt" onSubmit={(e) => { e.preventDefault(); void send(prompt); }}>
        <label class="unseen" for={id}>{t.chat.prompt}</label>
        <textarea id={id} rows={1} value={prompt} placeholder={t.chat.placeholder} onInput={(e) => setPrompt(e.currentTarget.value)} onKeyDown={key} />
        {busy ? <button type="button" onClick={() => abort.current?.abort()}>{t.chat.stop}</button>
          : <button type="submit" class="primary" disabled={!prompt.trim()}>{t.chat.send}</button>}
      </form>
      <p class="where">{point.name}{model && ` · ${model}`}</p>
    </section>
  );
}
