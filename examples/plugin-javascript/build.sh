#!/usr/bin/env bash
# Builds the adapter: target/examples/javascript-example.wasm. Needs node and npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for tool in node npm; do
    command -v "$tool" >/dev/null || { echo "plugin-javascript: $tool is missing" >&2; exit 1; }
done
out="$root/target/examples"
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$here"/{adapter.js,package.json} "$scratch"
cd "$scratch"
# Not `npm ci`: its lock files cannot hold the optional parts of platforms other than the one that wrote them.
npm install --silent --no-audit --no-fund --no-package-lock
# Stubbed WASI: the component imports nothing but the contract. Without async built-ins: the host calls synchronously.
npx jco componentize adapter.js -w "$root/wit/plugin.wit" -n provider-adapter \
    --backend qjs --backend-qjs-stub-wasi --backend-qjs-disable-async -o adapter.wasm
mv adapter.wasm "$out/javascript-example.wasm"
echo "built target/examples/javascript-example.wasm"
