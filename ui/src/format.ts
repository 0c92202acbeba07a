// Times and clients as people say them.
import { t } from './strings';

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return s % 3600 < 60 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d`;
}

/// "3 minutes ago", "in 2 hours"
export function from(text: string | null | undefined, now = Date.now()): string {
  if (!text) return '';
  const s = Math.round((Date.parse(text) - now) / 1000);
  const size = Math.abs(s);
  if (size < 60) return relative.format(s < 0 ? -size : size, 'second');
  if (size < 3600) return relative.format(Math.round(s / 60), 'minute');
  if (size < 86_400) return relative.format(Math.round(s / 3600), 'hour');
  return relative.format(Math.round(s / 86_400), 'day');
}

const date = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });
/// A day alone, as one says it of a deadline.
export const day = (text: string) => date.format(new Date(text));

/// "in 95 seconds": for what ends within minutes.
export function ends(text: string, now = Date.now()): string {
  const s = Math.max(0, Math.round((Date.parse(text) - now) / 1000));
  return s < 180 ? relative.format(s, 'second') : from(text, now);
}

export const at = (text: string | null | undefined) => (text ? moment.format(new Date(text)) : '');
export const clock = (text: string) => new Date(text).toLocaleTimeString('en', { hour12: false });

/// "Firefox on Linux" out of a User-Agent; it is a hint and nothing is decided by it.
export function client(agent: string): string {
  const browser = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' : /Chrome\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : '';
  const system = /Android/.test(agent) ? 'Android' : /iPhone|iPad/.test(agent) ? 'iOS' : /Mac OS X/.test(agent) ? 'macOS' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : '';
  return browser ? (system ? `${browser} on ${system}` : browser) : agent || t.sessions.unknown;
}
