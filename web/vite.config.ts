import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

// One script and one style sheet: the panel serves them, an exported page holds them.
export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  base: "/static/",
  build: {
    outDir: "../src/policyscope/panel/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    chunkSizeWarningLimit: 700, // kB: splitting, which the warning asks for, is off on purpose
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: "panel.js",
        assetFileNames: "panel.[ext]",
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8765" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.ts"] },
});
