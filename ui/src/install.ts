// Installing the portal as an app of its own, where the browser offers it.
interface Offer extends Event { prompt(): Promise<unknown> }
let offer: Offer | null = null;
const told = new Set<() => void>();

addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault();
  offer = event as Offer;
  told.forEach((tell) => tell());
});

export const installed = () => matchMedia('(display-mode: standalone)').matches;
export const offered = () => offer !== null;
export async function install(): Promise<void> {
  await offer?.prompt();
  offer = null;
  told.forEach((tell) => tell());
}
export function onOffer(tell: () => void): () => void {
  told.add(tell);
  return () => { told.delete(tell); };
}
