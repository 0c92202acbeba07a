// The control API, spoken with the session's cookie. A refusal is an exception with the gateway's reason.
import { t } from './strings';

export class Refusal extends Error {
  constructor(readonly code: string, readonly status: number, message: string, readonly detail = '', readonly request = '') {
    super(message);
  }
}

/// What to say to a person.
export function explain(error: unknown): string {
  if (error instanceof Refusal) {
    const text = t.reasons[error.code] ?? error.message;
    return error.detail && error.code === 'invalid_argument' ? `${text} ${error.detail}` : text;
  }
  return error instanceof Error ? error.message : String(error);
}

export async function refusalOf(response: Response): Promise<Refusal> {
  const code = response.headers.get('Vestibule-Reason') ?? 'internal';
  let message = response.statusText;
  let detail = '';
  try {
    const error = ((await response.json()) as { error?: { message?: string; detail?: string } }).error;
    message = error?.message ?? message;
    detail = error?.detail ?? '';
  } catch { /* no JSON: the reason says enough */ }
  return new Refusal(code, response.status, message, detail, response.headers.get('X-Request-Id') ?? '');
}

export async function send(method: 'GET' | 'POST', path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store', redirect: 'error', signal: signal ?? null };
  if (method === 'POST') {
    init.headers = { 'Content-Type': 'application/json' };
    init.body = JSON.stringify(body ?? {});
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal('network', 0, t.reasons.network!);
  }
  if (!response.ok) throw await refusalOf(response);
  return response;
}

/// What the page does about refusals that are about the session and not about the request.
export const session = {
  /// Asks the person for a factor, the kinds in this order; true once it is proved.
  stepUp: async (_reason: string, _offer?: string[]): Promise<boolean> => false,
  over: (_refusal: Refusal) => {},
};

export const lapses = ['mfa_required', 'mfa_lapsed'];
const ends = ['credential_missing', 'credential_unknown', 'credential_malformed', 'session_ended', 'session_idle', 'user_disabled'];

/// Runs what may meet a lapsed factor: then it asks for one and runs it again.
export async function withProof<T>(run: () => Promise<T>, held?: (waiting: boolean) => void, offer?: string[]): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (ends.includes(error.code)) session.over(error);
      if (!lapses.includes(error.code)) throw error;
      held?.(true);
      const proved = await session.stepUp(error.code, offer);
      held?.(false);
      if (!proved) throw error;
    }
  }
}

async function json<T>(method: 'GET' | 'POST', path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return (await (await send(method, path, body, signal)).json()) as T;
}
export const get = <T>(path: string) => withProof(() => json<T>('GET', path));
export const post = <T = object>(path: string, body?: unknown) => withProof(() => json<T>('POST', path, body));
/// Without the step-up dialog: for signing in, and for acts that bring their own code.
export const plain = <T = object>(path: string, body?: unknown, signal?: AbortSignal) => json<T>('POST', path, body, signal);
export const look = <T>(path: string) => json<T>('GET', path);

// ------------------------------------------------------------------------------------------- what is said

export interface Evidence { factor: string; age_s: number }
export interface Factor {
  id: string; kind: string; label: string; created: string | null; last_used: string | null; failures: number;
  locked_until: string | null; disabled: boolean; codes_left: number | null; rings?: boolean;
}
export interface Point {
  name: string; kind: string; prefix: string; sensitivity: string; need: { level: number; max_age_s: number | null };
  outcome: string; reason: string; expires_in_s: number | null; offer?: string[];
}
export interface Alert { kind: string; text: string; until: string; id?: string }
export interface Deadline { needs: string; by: string; met: boolean }
export interface Me {
  user: string; name: string; display: string; roles: string[]; groups: string[]; session: string; ends: string; level: number;
  evidence: Evidence[]; flags: { enrol_grant: boolean; factor_management: boolean; pending: boolean };
  factors: Factor[]; access_points: Point[]; second?: string[]; alerts?: Alert[]; deadlines?: Deadline[];
}
export interface Session {
  id: string; user: string; name: string; created: string; last_seen: string; ends: string; source: string; client: string;
  evidence: Evidence[]; current: boolean; pending: boolean; tokens: number;
}
export interface Key {
  id: string; name: string; owner: string; created: string; ends: string; last_use: string | null; last_source: string;
  scope: Record<string, string | string[]>; unlocks: { source: string; access_point: string; made: string; ends: string }[];
}
export interface User {
  id: string; name: string; display: string; roles: string[]; groups: string[]; disabled: boolean; created: string;
  has_password: boolean; factors: number; service: boolean;
}
export interface Approval {
  id: string; code: string; what: string; object: string; credential: string; source: string; client: string; access_point: string; operation: string;
  need: { level: number; max_age_s: number | null }; lasts_s: number | null; created: string; expires: string; known_source: boolean; offer: string[];
}
export interface Confirmation {
  id: string; stage: string; action: string; digest: string; arguments: string; access_point: string; tool: string; own: boolean;
  may_sign: boolean; why_not: string; need: { level: number; people: number; approvers: string; bound: boolean; apart: boolean; justification: boolean }; offer: string[];
  created: string; expires: string; ran_before_s: number | null; justification: string;
  signatures: { user: string; kind: string; bound: boolean; at: string }[];
}
export interface Notice { id: string; at: string; kind: string; text: string; seen: boolean }
export interface Reset { id: string; user: string; requested_by: string; at: string; expires: string }
export interface Rule { role: string; needs: string; by: string | null; users: number; covered: number; missing: string[] }
export interface Token { serial: string; digits: number; imported: string; holder: string | null }
export interface Tool {
  access_point: string; tool: string; state: string; accepted: string; since: string; by: string | null; shown?: string; changed?: string;
  accepted_text?: string; shown_text?: string;  // of a tool that is asked for alone; '': not kept
}
export interface Mandate {
  id: string; owner: string; name: string; credential: string; access_points: string[]; operations: string[]; models: string[]; networks: string[];
  calls: number; tokens: number | null; max_body: number | null; starts: string; ends: string; calls_left: number; tokens_left: number | null;
  signed: string; signed_with: string[]; state: string;
}
export interface Duty { part: string; text: string; operation: string; object: string }
export interface Service {
  id: string; name: string; display: string; roles: string[]; created: string; state: string; sponsor: string | null;
  people: { person: string; part: string; offered: string; accepted: string | null }[];
  offered_sponsor?: Duty; offered_deputy?: Duty; take_over?: Duty;
}
export interface Difference { text: string; loosens: boolean }
export interface Policy { digest: string; trust: string; rules: number; canonical: string; staged?: { digest: string; differences: Difference[] } }
export interface Stop { scope: string; target: string; since: string; by: string; why: string; agreed: { by: string; at: string }[] }
export interface Status {
  version: string; uptime_s: number; store: string; audit: { records: number; health: string; checkpoint: string };
  policy: { digest: string; staged: string | null; trust: string }; clock_trusted: boolean; stops: number; live: number; tools_asleep: number; sessions: number;
  access_points: { name: string; kind: string; prefix: string; sensitivity: string; owner: string; closed: boolean; child: string | null; upstreams: string[] }[];
}
export interface Entry {
  seq: number; at: string; kind: string; user_name: string; access_point: string; operation: string; model: string; outcome: string;
  reason: string; evidence?: Evidence[]; source: string; object?: string; note?: string; rule?: string; request?: string; status?: number;
}

/// One JSON value a line.
export async function lines<T>(path: string): Promise<T[]> {
  const response = await withProof(() => send('GET', path));
  const text = await response.text();
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as T);
}
