/** The build: the wall and the intake page, hashed assets, no inlined scripts, so that the strictest CSP holds. */
import { defineConfig } from 'vite';

const server = process.env['CITYLOOM_URL'] ?? 'http://127.0.0.1:8080';
/** The server answers its own origin alone, so what passes through says that it comes from there. */
const proxy = { '/api': { target: server, ws: true, changeOrigin: true, headers: { origin: server } } };

export default defineConfig({
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600,
    rolldownOptions: { input: ['index.html', 'intake.html'] },
  },
  server: { proxy },
  preview: { proxy },
});
