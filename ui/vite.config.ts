import { defineConfig } from 'vite';

// One script, one style sheet, no inline anything: what the Content-Security-Policy of the gateway allows.
export default defineConfig({
  base: '/',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
