// The small parts that every page is made of.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { explain } from '../api';
import { t } from '../strings';

export function Mark({ size = 32 }: { size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect class="mark-room" width="32" height="32" rx="8" />
      <path class="mark-outer" d="M8 26V14a8 8 0 0 1 16 0v12" />
      <path class="mark-inner" d="M12.4 26V15a3.6 3.6 0 0 1 7.2 0v11z" />
    </svg>
  );
}

/// Door behind door, and light behind the last one.
export function Doors() {
  const arches = [0, 1, 2, 3, 4].map((n) => {
    const half = 150 - n * 27;
    const top = 60 + n * 44;
    return `M${200 - half} 520V${top + half}a${half} ${half} 0 0 1 ${half * 2} 0V520`;
  });
  return (
    <svg class="doors" viewBox="40 50 320 400" preserveAspectRatio="xMidYMin slice" aria-hidden="true">
      {arches.map((d, n) => (
        <path key={n} d={d} fill={n === 4 ? '#f2b84b' : `rgb(3 28 24 / ${14 + n * 5}%)`} stroke={n === 4 ? 'none' : '#cfeae4'} stroke-opacity={0.16 + n * 0.09} stroke-width="1.5" />
      ))}
    </svg>
  );
}

interface FieldProps extends Omit<JSX.InputHTMLAttributes<HTMLInputElement>, 'onInput'> {
  label: string;
  value: string;
  change: (value: string) => void;
  hint?: string;
}
export function Field({ label, value, change, hint, class: more, autoFocus, ...input }: FieldProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  // The attribute of that name counts only while a page is read.
  useEffect(() => { if (autoFocus) field.current?.focus(); }, []);
  return (
    <div class={`field ${more ?? ''}`}>
      <label for={id}>{label}</label>
      <input ref={field} id={id} value={value} onInput={(e) => change(e.currentTarget.value)} aria-describedby={hint ? `${id}-hint` : undefined} {...input} />
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

/// A one-time code: digits only, wide apart, the phone's number pad, offered by password managers.
export function CodeField(props: { label?: string; value: string; change: (value: string) => void; hint?: string; autoFocus?: boolean; required?: boolean }) {
  const { label = t.second.code, change, required = true, ...rest } = props;
  return (
    <Field label={label} class="code" inputMode="numeric" autoComplete="one-time-code" pattern="[0-9 ]*" maxLength={9} required={required}
      spellcheck={false} change={(v) => change(v.replace(/\D/g, ''))} {...rest} />
  );
}

export function Select(props: { label: string; value: string; change: (value: string) => void; options: [string, string][]; hidden?: boolean }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select id={id} value={props.value} onChange={(e) => props.change(e.currentTarget.value)}>
        {props.options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </div>
  );
}

/// Says what went wrong, aloud as well.
export function Problem({ error }: { error: unknown }) {
  return <div role="alert" class="alerts">{error ? <p class="problem">{explain(error)}</p> : null}</div>;
}

export function Notice({ text }: { text: string }) {
  return <div role="status" class="alerts">{text ? <p class="notice">{text}</p> : null}</div>;
}

/// A form that runs one thing at a time, shows why it failed, and puts the eye back where it can be mended.
export function Form(props: { run: () => Promise<unknown>; submit: string; children: ComponentChildren; tone?: string; aside?: ComponentChildren; problem?: unknown }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const form = useRef<HTMLFormElement>(null);
  const go = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await props.run();
    } catch (e) {
      setError(e);
      const code = form.current?.querySelector<HTMLInputElement>('.code input');
      code?.focus();
      code?.select();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form ref={form} onSubmit={go} aria-busy={busy}>
      <Problem error={error ?? props.problem} />
      {props.children}
      <div class="buttons">
        <button type="submit" class={`primary ${props.tone ?? ''}`} disabled={busy}>{busy ? `${t.loading} …` : props.submit}</button>
        {props.aside}
      </div>
    </form>
  );
}

/// A modal dialog: the browser's own, so that focus, Escape and what lies behind are as they should be.
export function Dialog(props: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const element = dialog.current!;
    element.showModal();
    element.querySelector<HTMLElement>('input, select, textarea')?.focus();
    return () => {
      element.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); props.close(); }}>
      <header>
        <h2 id={id}>{props.title}</h2>
        <button type="button" class="quiet icon" aria-label={t.close} onClick={props.close}>✕</button>
      </header>
      {props.children}
    </dialog>
  );
}

export function Copy({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch { /* not allowed here: the text is there to be selected */ }
  };
  return <button type="button" class="small" onClick={copy} aria-live="polite">{done ? t.copied : t.copy}</button>;
}

let arrived = false;  // the first page leaves the focus at the top, as any page does

/// The page's heading; it takes the focus when the page changes, so that a screen reader says where one is.
export function Heading({ title, intro, children }: { title: string; intro?: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
    if (arrived && (!document.activeElement || document.activeElement === document.body)) heading.current?.focus({ preventScroll: true });
    arrived = true;
  }, [title]);
  return (
    <div class="heading">
      <div>
        <h1 ref={heading} tabIndex={-1}>{title}</h1>
        {intro && <p class="intro">{intro}</p>}
      </div>
      {children && <div class="heading-actions">{children}</div>}
    </div>
  );
}

/// What a page shows while and after it asks the gateway.
export function useLoad<T>(load: () => Promise<T>, deps: unknown[] = []) {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let here = true;
    load().then((v) => { if (here) { setValue(v); setError(null); } }, (e) => { if (here) setError(e); });
    return () => { here = false; };
  }, [...deps, turn]);
  return { value, error, again: () => setTurn((n) => n + 1) };
}

/// Something that goes on while a page is shown; what it gives ends it.
export function useLive(run: () => void | (() => void)) {
  useEffect(() => run() ?? undefined, []);
}

export function Loading() {
  return <p class="loading" role="status"><span class="spinner" aria-hidden="true" />{t.loading} …</p>;
}

/// A page of its own, none of the portal's, for what takes a decision. The gateway's replies forbid frames; a
/// browser that does not know how shows nothing to press either.
export function Alone(props: { title: string; intro: string; said: string; children: () => ComponentChildren }) {
  const framed = top !== self;
  return (
    <div class="alone">
      <header class="top">
        <a class="brand" href="/"><Mark size={30} /><span>{t.product}</span></a>
        <a class="to-portal" href="/">{t.inbox.portal}</a>
      </header>
      <main>
        <div class="page">
          <Heading title={props.title} intro={framed ? t.inbox.framed : props.intro} />
          <Notice text={props.said} />
          {!framed && props.children()}
        </div>
      </main>
    </div>
  );
}
