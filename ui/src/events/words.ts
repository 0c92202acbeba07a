// What tabs and the hub say to each other, on one channel of this origin.
export const channelName = 'vestibule-events';
export const lockOf = (tab: string) => `vestibule-tab-${tab}`;

export type Topic = 'me' | 'sessions' | 'factors' | 'notices' | 'stops' | 'policy' | 'approvals' | 'keys' | 'mandates';

/// From a tab: who it shows and whether it shows the log. `session` is null where nobody is signed in.
export interface Tab { from: string; session: string | null; decisions: boolean; gone?: boolean }
/// From the hub. `who`: it has just begun, and asks which tabs there are.
export type Told =
  | { tell: 'who' }
  | { tell: 'changed'; topics: Topic[] }
  | { tell: 'decisions'; list: unknown[]; anew: boolean; to?: string }
  | { tell: 'gap' }
  | { tell: 'ended'; reason: string; decisions: boolean }
  | { tell: 'line'; up: boolean };
