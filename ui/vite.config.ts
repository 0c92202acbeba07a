import { build, defineConfig, type Plugin } from 'vite';

// The service worker stands alone at the root, whose pages are its scope, under a name that stays.
const serviceWorker: Plugin = {
  name: 'service-worker',
  apply: 'build',
  async generateBundle() {
    const built = await build({
      configFile: false, publicDir: false, logLevel: 'warn',
      build: { write: false, target: 'es2022', rollupOptions: { input: 'src/sw.ts', output: { format: 'iife' } } },
    });
    const { output } = (Array.isArray(built) ? built[0] : built) as { output: { code: string }[] };
    this.emitFile({ type: 'asset', fileName: 'sw.js', source: output[0]!.code });
  },
};

// Few scripts, one style sheet, no inline anything: what the Content-Security-Policy of the gateway allows.
export default defineConfig({
  base: '/',
  plugins: [serviceWorker],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
