#!/usr/bin/env bash
# The official clients, unmodified, against the gateway over simulated providers, in throw-away environments.
# Needs python3 with venv, node and npm; says which one is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for tool in python3 node npm cargo; do
    command -v "$tool" >/dev/null || { echo "tests/clients: $tool is missing" >&2; exit 1; }
done

scratch=$(mktemp -d)
stage_pid=
# How the clients fared is the result; the stage is stopped by a signal, which must not count.
finish() {
    local result=$?
    set +e
    if [ -n "$stage_pid" ]; then
        kill "$stage_pid" 2>/dev/null
        wait "$stage_pid" 2>/dev/null
    fi
    rm -rf "$scratch"
    exit "$result"
}
trap finish EXIT

python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cp "$here/package.json" "$here/package-lock.json" "$here/clients.test.mjs" "$scratch/"
(cd "$scratch" && npm ci --silent --no-audit --no-fund)

# Simulated providers and a gateway on free ports; the first line it prints says where.
(cd "$root" && cargo build --quiet -p seawall-e2e --bin stage --features seawall/bundled)
"$root/target/debug/stage" >"$scratch/stage.out" 2>"$scratch/stage.err" &
stage_pid=$!
for _ in $(seq 150); do
    [ -s "$scratch/stage.out" ] && break
    kill -0 "$stage_pid" 2>/dev/null || { cat "$scratch/stage.err" >&2; exit 1; }
    sleep 0.2
done
read -r SEAWALL_URL SIM_URL <"$scratch/stage.out"
export SEAWALL_URL SIM_URL

"$scratch/venv/bin/python" -m pytest -q -p no:cacheprovider "$here/test_clients.py"
"$scratch/venv/bin/python" -m pytest -q -p no:cacheprovider -rP "$here/test_recorded.py"
(cd "$scratch" && node --test clients.test.mjs)
